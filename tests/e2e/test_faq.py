"""The samples of the founding FAQ, run as their readers type them: only the base URL is set."""

import base64
import hashlib
import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.forward_proxy import forward_proxy
from tests.e2e.moody_upstream import RATE_LIMITED, Moody
from tests.e2e.running import Running
from tests.e2e.scripts import SAMPLES, run_script
from waystation.metering.encodings import OPENAI_ENCODINGS, openai_tokens

Pythons = dict[str, Callable[[], Path]]

TIKTOKEN_SOURCE = "https://openaipublic.blob.core.windows.net/encodings"
REFUSALS_MANY = 50  # more than any client and gateway together try
CHINESE = "[\u4e00-\u9fff]"


def answered(label: str) -> str:
    """A pattern for a line that has a real Chinese answer after its label."""
    return rf"(?m)^{label}: .*{CHINESE}"


def environment(server: Running, path: str = "/v1") -> dict[str, str]:
    """What the reader exports. SDK 0.28 reads OPENAI_API_BASE, all later ones OPENAI_BASE_URL."""
    base = server.url + path
    return {"OPENAI_BASE_URL": base, "OPENAI_API_BASE": base, "OPENAI_API_KEY": server.key}


def run_python(pythons: Pythons, sdk: str, sample: str, variables: dict[str, str]) -> str:
    return run_script([str(pythons[sdk]()), str(SAMPLES / sample)], variables)


@pytest.mark.parametrize("path", ["/v1", ""])
def test_chat_sample_answers_with_or_without_v1(server: Running, pythons: Pythons, path: str) -> None:
    printed = run_python(pythons, "3", "q13_chat.py", environment(server, path))
    assert re.search(answered("answer"), printed), printed
    # From 3.x on an exception's text has the message only, not the type: its words decide which branch prints it.
    assert re.search(r"(?m)^(bad request|failed): .*temperature", printed), printed


def test_chat_sample_answers_on_sdk_1(server: Running, pythons: Pythons) -> None:
    printed = run_python(pythons, "1", "q13_chat.py", environment(server))
    assert re.search(answered("answer"), printed), printed
    assert re.search(r"(?m)^bad request: .*temperature", printed), printed


@pytest.mark.parametrize("sdk", ["3", "1"])
def test_chat_sample_tells_a_rate_limit_by_its_words(
    gateway: Running, moody: Moody, pythons: Pythons, sdk: str
) -> None:
    moody.will_refuse(*[RATE_LIMITED] * REFUSALS_MANY)
    printed = run_python(pythons, sdk, "q13_rate_limit.py", environment(gateway) | {"MODEL": "moody"})
    assert printed.startswith("too often: "), printed


def test_retry_sample_on_sdk_028_gets_past_a_rate_limit(gateway: Running, moody: Moody, pythons: Pythons) -> None:
    moody.will_refuse(RATE_LIMITED)
    printed = run_python(pythons, "0.28", "q15_retry.py", environment(gateway) | {"MODEL": "moody"})
    assert printed.splitlines()[-1] == "answer: Now I can.", printed
    assert moody.calls == 2


@pytest.mark.slow
def test_retry_sample_on_sdk_028_gives_up_when_the_limit_stays(
    gateway: Running, moody: Moody, pythons: Pythons
) -> None:
    moody.will_refuse(*[RATE_LIMITED] * REFUSALS_MANY)
    with pytest.raises(AssertionError, match=r"rate limited: 429\n(?s:.*)RateLimitError"):
        run_python(pythons, "0.28", "q15_retry.py", environment(gateway) | {"MODEL": "moody"})


def test_node_chat_sample_answers(server: Running, node_environment: dict[str, str]) -> None:
    printed = run_script(["node", str(SAMPLES / "q14_chat.js")], environment(server) | node_environment)
    assert re.search(answered("answer"), printed), printed


@pytest.mark.parametrize(
    ("sdk", "sample"),
    [("3", "q16_stream.py"), ("1", "q16_stream.py"), ("0.28", "q16_stream_028.py")],
)
def test_stream_sample_prints_the_answer_in_pieces(server: Running, pythons: Pythons, sdk: str, sample: str) -> None:
    printed = run_python(pythons, sdk, sample, environment(server))
    assert re.search(CHINESE, printed), printed
    assert printed.count("|") >= 3, printed


def test_node_stream_sample_prints_the_answer_in_pieces(server: Running, node_environment: dict[str, str]) -> None:
    printed = run_script(["node", str(SAMPLES / "q16_stream.js")], environment(server) | node_environment)
    assert re.search(CHINESE, printed), printed
    assert printed.count("|") >= 3, printed


@pytest.mark.parametrize("sdk", ["3", "1"])
def test_batch_sample_gives_every_answer_and_the_one_error(server: Running, pythons: Pythons, sdk: str) -> None:
    printed = run_python(pythons, sdk, "q17_batch.py", environment(server))
    assert len(re.findall(r"(?m)^answer: \S", printed)) == 6, printed
    assert "failed: NotFoundError" in printed


def test_aiohttp_batch_sample_gives_every_answer_and_the_one_error(server: Running, pythons: Pythons) -> None:
    printed = run_python(pythons, "1", "q17_aiohttp.py", environment(server))
    assert len(re.findall(r"(?m)^answer: \S", printed)) == 4, printed
    assert "failed: 404 model_not_found" in printed


def test_node_batch_sample_gives_every_answer_and_the_one_error(
    server: Running, node_environment: dict[str, str]
) -> None:
    printed = run_script(["node", str(SAMPLES / "q17_batch.js")], environment(server) | node_environment)
    assert len(re.findall(r"(?m)^answer: \S", printed)) == 3, printed
    assert "failed: 404 model_not_found" in printed


@pytest.mark.parametrize("sdk", ["3", "1"])
def test_temperature_sample_answers_also_for_a_reasoning_model(server: Running, pythons: Pythons, sdk: str) -> None:
    printed = run_python(pythons, sdk, "q20_temperature.py", environment(server))
    assert re.search(r"code: (?s:.*)print", printed), printed
    assert re.search(answered("phrase"), printed), printed


@pytest.mark.parametrize("sdk", ["3", "1"])
def test_gpt5_sample_takes_effort_verbosity_and_max_tokens_together(
    server: Running, pythons: Pythons, sdk: str
) -> None:
    printed = run_python(pythons, sdk, "q22_gpt5.py", environment(server))
    assert re.search(answered("deep"), printed), printed
    assert re.search(answered("quick"), printed), printed


@pytest.mark.parametrize("sdk", ["3", "1"])
def test_preferred_list_sample_finds_the_first_model_that_is_there(server: Running, pythons: Pythons, sdk: str) -> None:
    printed = run_python(pythons, sdk, "q23_models.py", environment(server))
    assert printed.splitlines() == ["use: gpt-5", "failed: No preferred model available"]


def test_tokenizer_endpoint_counts_what_the_tiktoken_sample_counts(
    server: Running, pythons: Pythons, tiktoken_files: dict[str, str]
) -> None:
    printed = run_python(pythons, "3", "q26_tokens.py", environment(server) | tiktoken_files)
    lines = [line.split("\t") for line in printed.splitlines()]
    assert len(lines) == 6
    for count, model, text in lines:
        assert tokens_of(server, model, text) == int(count), (model, text)


@pytest.fixture(scope="module")
def tiktoken_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """tiktoken's download folder, filled from our vocabularies: it compares each file with the hash that it knows."""
    folder = tmp_path_factory.mktemp("tiktoken")
    for name in OPENAI_ENCODINGS:
        lines = [b"%b %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(openai_tokens(name))]
        cached_as = hashlib.sha1(f"{TIKTOKEN_SOURCE}/{name}.tiktoken".encode()).hexdigest()
        (folder / cached_as).write_bytes(b"".join(lines))
    return {"TIKTOKEN_CACHE_DIR": str(folder)}


def tokens_of(server: Running, model: str, text: str) -> int:
    """What POST /v1/waystation/tokenize counts."""
    request = urllib.request.Request(
        f"{server.base_url}/waystation/tokenize",
        json.dumps({"model": model, "input": text}).encode(),
        {"authorization": f"Bearer {server.key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        count: int = json.load(answer)["count"]
        return count


@pytest.fixture(scope="module")
def second_and_lost_key(server: Running) -> tuple[str, str]:
    """A key beside the tests' own, and one that is revoked."""
    _, second = server.new_key("second of the balancer")
    lost_id, lost = server.new_key("lost of the balancer")
    server.command("keys", "revoke", lost_id)
    return second, lost


@pytest.mark.parametrize("sdk", ["3", "1"])
def test_balancer_sample_leaves_out_the_keys_that_fail(
    server: Running, second_and_lost_key: tuple[str, str], pythons: Pythons, sdk: str
) -> None:
    second, lost = second_and_lost_key
    keys = ",".join((server.key, second, lost))
    printed = run_python(pythons, sdk, "q28_balancer.py", environment(server) | {"OPENAI_API_KEYS": keys})
    failed = set(re.findall(r"(?m)^failed: (.*)$", printed))
    assert failed == {lost[-4:]}, printed
    assert "answers: " in printed


@pytest.mark.parametrize("path", ["/openai", "/openai/v1"])
def test_sdk_028_answers_through_a_company_proxy_and_an_openai_prefix(
    server: Running, pythons: Pythons, path: str
) -> None:
    with forward_proxy() as proxy:
        variables = {"GATEWAY": server.url + path, "COMPANY_PROXY": proxy.url, "OPENAI_API_KEY": server.key}
        printed = run_python(pythons, "0.28", "q29_proxy.py", variables)
    assert re.search(r"(?m)^answer: .*北京", printed), printed
    assert re.search(r"(?m)^models: [1-9]", printed), printed
    assert proxy.targets == [f"{server.url}{path}/chat/completions", f"{server.url}{path}/models"]
