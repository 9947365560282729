"""A child process that runs one local model and answers HTTP on a unix socket.

Started as `python -m waystation.engine.child SPEC`.

It dies with its parent. It knows nothing of calls, keys or money; `provider.py` speaks to it, `children.py` keeps it
running.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

from waystation.engine.model import ChildSpec, make_private_folder

PR_SET_PDEATHSIG = 1
EXIT_ORPHANED = 3
# How long OpenMP's threads spin for each other before they sleep. Its default is 100 times that: with other work on the
# same processors a model then writes 0.5 to 13 tokens a second, so 4 to 24 (2 cores; alone 49 either way).
SPIN_COUNT = "3000"


def main(argument: str) -> int:
    """Run the model that the spec names until the process is told to end."""
    spec = ChildSpec.from_json(argument)
    if not die_with_parent(spec.parent_pid):
        return EXIT_ORPHANED
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)  # read when the native library is loaded
    os.umask(0o077)  # the socket is made by others' code: only this user may connect to it
    prepare_socket(Path(spec.socket))
    if spec.model.kind == "chat":
        from waystation.engine.llama import run_llama  # each kind loads only its own native library

        run_llama(spec)
    else:
        from waystation.engine.embedder import run_embedder  # as above

        run_embedder(spec)
    return 0


def die_with_parent(parent_pid: int) -> bool:
    """Have the kernel end this process when its parent ends. False when the parent has gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return os.getppid() == parent_pid


def prepare_socket(path: Path) -> None:
    """Make the socket's folder and remove what a killed child has left. Raises as `make_private_folder` does."""
    make_private_folder(path.parent)
    path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
