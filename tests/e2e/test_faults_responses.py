"""Every fault of an upstream as callers of the Responses API meet it: a clear end, kept as it went out, paid if anything came."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from tests.e2e import served_stand as stand
from tests.e2e.money_client import Answer, call
from tests.e2e.running import Running, serving
from tests.e2e.served_stand import faulty
from waystation.testing.faults_words import TEXT, WORDS

MIDWAY = ("hang_mid:3", "drop_mid:3", "reset_mid:3", "malformed:3", "error_mid:3", "no_finish")
EARLY = ("reset_before_head", "reset_after_head", "hang_first_byte", "drop_mid:0", "html", "status:500", "status:429")
HARMLESS = ("none", "split", "drip:5", "duplicated", "usage_missing")
WHOLE_TOO = [fault for fault in (*EARLY, *MIDWAY, *HARMLESS) if fault not in ("error_mid:3", "no_finish")]
CASES = [(fault, True) for fault in (*EARLY, *MIDWAY, *HARMLESS)] + [(fault, False) for fault in WHOLE_TOO]
BEGIN = "".join(WORDS[:3])
TIMES = {"first_byte_timeout_s": 0.4, "idle_timeout_s": 0.4, "total_timeout_s": 6}


def name_of(fault: str, stream: bool) -> str:
    return f"{fault}-{'stream' if stream else 'whole'}".replace(":", "-").replace("_", "-")


@dataclass(frozen=True)
class Seen:
    answer: Answer
    kept: Any  # what GET says of it, or None
    is_paid: bool


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    folder = tmp_path_factory.mktemp("faults")
    with faulty(folder) as upstream:
        tables = []
        for fault, stream in CASES:
            name = name_of(fault, stream)  # each a provider of its own, so that no breaker is shared
            tables += [
                stand.provider(name, upstream.url, **TIMES),
                stand.model(name, name, f"fault-{fault}"),
            ]
        with serving(folder / "data", stand.written(folder, *tables)) as server:
            seen = asyncio.run(all_of(server))
            stand.books_are_right(server)
            rows = stand.rows(server)
            yield {
                name: Seen(answer, kept, answer.request_id in rows and rows[answer.request_id].cost_nano > 0)
                for name, (answer, kept) in seen.items()
            }


async def all_of(server: Running) -> dict[str, tuple[Answer, Any]]:
    async def one(fault: str, stream: bool) -> tuple[Answer, Any]:
        name = name_of(fault, stream)
        asked = {"model": name, "input": "Tell me a story.", "max_output_tokens": 50, "stream": stream}
        body = json.dumps(asked).encode()
        answer = await call(server.url, server.key, name, body=body, path="/v1/responses")
        response_id = id_of(answer)
        return answer, None if response_id is None else await asyncio.to_thread(kept_of, server, response_id)

    return dict(zip([name_of(*case) for case in CASES], await asyncio.gather(*[one(*c) for c in CASES]), strict=True))


def kept_of(server: Running, response_id: str) -> Any:
    client = openai.OpenAI(base_url=server.base_url, api_key=server.key, max_retries=0)
    return client.responses.retrieve(response_id)


def id_of(answer: Answer) -> str | None:
    """Of a response that has begun."""
    told = stand.datas(answer)[0].get("response", {}) if answer.streamed else json.loads(answer.body)
    return told.get("id") if told.get("object") == "response" else None


def text_of(answer: Answer) -> str:
    return "".join(data.get("delta", "") for data in stand.datas(answer))


@pytest.mark.parametrize(("fault", "stream"), CASES, ids=[name_of(*case) for case in CASES])
def test_each_ends_in_words_is_kept_as_it_went_out_and_paid_where_something_came(
    played: dict[str, Seen], fault: str, stream: bool
) -> None:
    seen = played[name_of(fault, stream)]
    answer = seen.answer
    assert answer.ended
    assert b"sk-upstream" not in answer.body
    assert b"<html" not in answer.body
    if fault in HARMLESS:
        assert answer.status == 200
        assert (seen.kept.status, seen.kept.output_text, seen.is_paid) == ("completed", TEXT, True)
    elif stream and fault in MIDWAY:
        last = stand.datas(answer)[-1]
        assert last["type"] in ("response.failed", "error")
        assert text_of(answer) == (TEXT if fault == "no_finish" else BEGIN)
        assert (seen.kept.status, seen.kept.error.code, seen.is_paid) == ("failed", "server_error", True)
    else:
        assert answer.status >= 429
        assert set(json.loads(answer.body)["error"]) == {"message", "type", "param", "code"}
        assert (seen.kept, seen.is_paid) == (None, False)
