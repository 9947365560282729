"""llama.cpp's own server for one GGUF file, in this process (xllamacpp). Runs in a child, see `child.py`.

The settings are what was measured: docs/guides/engine.md has the figures.
"""

import os
import signal
import time

from waystation.engine.log import say
from waystation.engine.model import ChildSpec
from waystation.wire.gguf import kv_bytes_per_token, read_head

BATCH_TOKENS = (
    512  # also how long a running answer may have to wait for somebody's prompt, and how soon a prompt is cancelled
)
PROMPT_CACHE_MIB = 256  # conversations that have lost their slot, kept in memory
HTTP_THREADS = 32  # an open answer occupies one; a worker's queue in front admits no more than there are slots
WARNINGS = 2  # llama.cpp's level: it logs no texts, but a line per token is too much


def run_llama(spec: ChildSpec) -> None:
    """Serve until SIGTERM. Raises RuntimeError when the file can't be loaded."""
    import xllamacpp  # the native library: nobody but this child loads it

    started = time.monotonic()
    model = spec.model
    params = xllamacpp.CommonParams()
    params.model.path = str(model.path)
    params.model_alias = {model.name}
    params.hostnames = [spec.socket]
    params.port = 0
    params.n_parallel = model.slots
    params.kv_unified = True  # any slot may reach the whole context
    params.n_ctx = model.context_tokens
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = spec.threads
    params.n_threads_http = HTTP_THREADS + model.slots * (spec.workers - 1)
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.use_jinja = True
    params.prefill_assistant = False  # OpenAI: a last assistant message is history, not a beginning
    params.warmup = False  # the first token of the first call is 0.1 s later, the start 0.3 s earlier
    params.fit_params = False  # would load the file twice to fit it into a GPU
    params.endpoint_slots = params.endpoint_props = True
    params.ui = False
    params.verbosity = WARNINGS
    server = xllamacpp.Server(params)
    took_s = time.monotonic() - started
    say(f"{memory_line(spec)} Ready after {took_s:.2f} s.")
    # Leave at once: llama.cpp's threads take seconds to end in order, and there is nothing to save.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C in a terminal reaches every process: the supervisor decides
    while server.listening_address:
        signal.pause()


def memory_line(spec: ChildSpec) -> str:
    """What the model takes: its file, mapped, and the cache for its whole context."""
    assert spec.model.path is not None
    file_mib = spec.model.path.stat().st_size >> 20
    kv_mib = (kv_bytes_per_token(read_head(spec.model.path)) * spec.model.context_tokens) >> 20
    return (
        f"{spec.model.name}: {file_mib} MiB of weights + {kv_mib} MiB of cache for {spec.model.context_tokens} tokens, "
        f"shared by {spec.model.slots} answers at a time, {spec.threads} threads."
    )
