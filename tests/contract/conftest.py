"""The SDK's clients. Whatever passes through them is held against OpenAI's description when the test is over."""

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI

from tests.contract.described import check_exchange
from tests.contract.recorder import Recorder
from tests.e2e.running import Running


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """What passed through a test's client; each of it is checked when the test is over."""
    transport = Recorder()
    yield transport
    for exchange in transport.exchanges:
        check_exchange(exchange, is_ours=transport.is_ours)


@pytest.fixture
def client(server: Running, recorder: Recorder) -> Iterator[OpenAI]:
    """The official client, as `OpenAI()` makes it; no retries, so that a test sees each answer."""
    with client_of(server, recorder) as made:
        yield made


@pytest.fixture
def gateway_client(gateway: Running, recorder: Recorder) -> Iterator[OpenAI]:
    """The same in front of the fake provider, whose bodies are passed on as they came."""
    recorder.is_ours = False
    with client_of(gateway, recorder) as made:
        yield made


def client_of(running: Running, recorder: Recorder) -> OpenAI:
    return OpenAI(
        base_url=running.base_url,
        api_key=running.key,
        max_retries=0,
        timeout=60,
        http_client=openai.DefaultHttpxClient(transport=recorder),
    )
