"""OpenAI's callers get Gemini's embeddings in OpenAI's form, and a usage in every case."""

import asyncio
import base64
import json
from array import array
from typing import Any

import pytest

from tests.unit.dialects.gemini.documented import TOO_OFTEN
from tests.unit.providers.stand_foreign import answer, body_of, credential, head_of, target
from tests.unit.runtime.http_stand import Line, serving
from waystation.errors import RateLimitExceeded, Unsupported, UpstreamFailed
from waystation.gateway.call import Call
from waystation.providers.gemini.embeddings import TEXTS_MAX
from waystation.providers.gemini.provider import Gemini
from waystation.providers.model import ProviderConfig
from waystation.runtime.http_client import HttpClient
from waystation.terms import Done, Operation, Usage
from waystation.wire.embeddings import read_embeddings

MODEL = "gemini-embedding-001"


def vectors(count: int, **more: Any) -> dict[str, Any]:
    return {"embeddings": [{"values": [0.5, float(number)]} for number in range(count)], **more}


def embedded(replies: list[bytes], **asked: Any) -> tuple[Done, list[bytes]]:
    """What comes of a call whose requests are answered so, and those requests."""
    seen: list[bytes] = []
    body = json.dumps({"model": "mine", **asked}).encode()
    made = Call(Operation.EMBEDDINGS, "req_1", body, read_embeddings(body), None, {}, "127.0.0.1", 0)

    async def script(line: Line) -> None:
        while True:
            seen.append(await line.request())
            await line.say(replies[len(seen) - 1])

    async def run() -> list[Any]:
        http = HttpClient(tick_s=0.01)
        shown = credential()
        async with serving(script) as server:
            url = f"http://{server.origin.host}:{server.origin.port}"
            gemini = Gemini(ProviderConfig(name="there", base_url=url, credentials=(shown,)), http)
            try:
                return [event async for event in gemini.send(made, target(MODEL, shown))]
            finally:
                await http.close()

    events = asyncio.run(run())
    assert len(events) == 1
    return events[0], seen


def test_vectors_and_usage_are_in_openais_form() -> None:
    reply = answer(vectors(2, usageMetadata={"promptTokenCount": 7}))
    done, seen = embedded([reply], input=["a", "b"], dimensions=2)
    assert head_of(seen[0])[0] == f"/models/{MODEL}:batchEmbedContents"
    assert body_of(seen[0])["requests"][1] == {
        "model": f"models/{MODEL}",
        "content": {"parts": [{"text": "b"}]},
        "outputDimensionality": 2,
    }
    assert done.usage == Usage(7)
    assert json.loads(done.data) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, 0.0]},
            {"object": "embedding", "index": 1, "embedding": [0.5, 1.0]},
        ],
        "model": "mine",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


def test_a_usage_that_is_not_told_is_left_to_the_ledger() -> None:
    done, _ = embedded([answer(vectors(1))], input="a", encoding_format="base64")
    assert done.usage is None
    whole = json.loads(done.data)
    assert "usage" not in whole
    assert array("f", base64.b64decode(whole["data"][0]["embedding"])).tolist() == [0.5, 0.0]


def test_many_texts_are_asked_for_in_turn() -> None:
    told = {"usageMetadata": {"promptTokenCount": 5}}
    replies = [answer(vectors(TEXTS_MAX, **told)), answer(vectors(1, **told))]
    done, seen = embedded(replies, input=["a"] * (TEXTS_MAX + 1))
    assert [len(body_of(request)["requests"]) for request in seen] == [TEXTS_MAX, 1]
    assert done.usage == Usage(10)
    assert len(json.loads(done.data)["data"]) == TEXTS_MAX + 1


@pytest.mark.parametrize("reply", [b"", b"[]", b'{"embeddings":[]}', b'{"embeddings":[{"values":["a"]}]}'], ids=len)
def test_nonsense_blames_the_deployment(reply: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        embedded([answer(reply)], input="a")


def test_a_refusal_is_one_as_for_chats() -> None:
    with pytest.raises(RateLimitExceeded):
        embedded([answer(TOO_OFTEN, 429)], input="a")


def test_token_ids_are_refused() -> None:
    with pytest.raises(Unsupported) as caught:
        embedded([], input=[1, 2])
    assert caught.value.param == "input"
