"""What a client sees of each fault that an upstream can have: through a real door, router, provider and sockets.

Never a hang, never a word of the upstream's own, nothing twice, nothing left open.
"""

import asyncio

import pytest

from tests.e2e.fault_stand import Client, Seen, play
from waystation.terms import Usage
from waystation.testing.faults_words import INPUT_TOKENS, TEXT, WORDS

WHOLE_USAGE = Usage(INPUT_TOKENS, len(WORDS))
BEGIN = "".join(WORDS[:3])

# Before anything has gone out: asked again, and the client never knows. Alone and always: this error.
FAILED, LATE, LIMITED = (502, "upstream_error"), (504, "upstream_timeout"), (429, "rate_limit_exceeded")
EARLY = {
    "reset_accept": FAILED,
    "reset_before_head": FAILED,
    "reset_after_head": FAILED,
    "hang_accept": LATE,
    "hang_head": LATE,
    "hang_first_byte": LATE,
    "drop_mid:0": FAILED,
    "html": FAILED,
    "status:500": FAILED,
    "status:503": FAILED,
    "status:529": FAILED,
    "status:504": LATE,
    "status:401": FAILED,
    "limit:0": LIMITED,
}
WHOLE_ONLY = {
    "drop_mid": FAILED,
    "reset_mid": FAILED,
    "hang_mid": LATE,
    "malformed": FAILED,
    "length_short": FAILED,
    "length_long": FAILED,
}
MIDWAY = {
    "drop_mid:3": "upstream_error",
    "reset_mid:3": "upstream_error",
    "hang_mid:3": "upstream_timeout",
    "error_mid:3": "upstream_error",
    "malformed:3": "upstream_error",
}
HARMLESS = ("split", "drip:1", "gzip", "http10", "duplicated", "usage_missing", "usage_wrong")

CASES = [(fault, stream) for fault in EARLY for stream in (False, True)] + [(fault, False) for fault in WHOLE_ONLY]


def well(seen: Seen, attempts: int) -> None:
    assert seen.status == 200, seen.body
    assert seen.error is None
    assert seen.text == TEXT
    assert seen.attempts == attempts
    assert seen.charged == WHOLE_USAGE


@pytest.mark.parametrize(("fault", "stream"), CASES)
def test_a_fault_before_the_first_word_is_never_seen(fault: str, stream: bool) -> None:
    once = f"{fault}*1, none"

    async def alone(client: Client) -> None:
        if fault != "status:401":
            well(await client.asks(stream=stream), 2)

    async def with_another(client: Client) -> None:
        seen = await client.asks(stream=stream)
        well(seen, 2)
        assert seen.headers["x-waystation-deployment"] == "b/m"

    play(alone, once)
    play(with_another, fault, "none")


@pytest.mark.parametrize(("fault", "stream"), CASES)
def test_a_fault_that_never_ends_is_a_clear_error(fault: str, stream: bool) -> None:
    async def story(client: Client) -> None:
        seen = await client.asks(stream=stream)
        status, code = (EARLY | WHOLE_ONLY)[fault]
        assert seen.error is not None
        assert (seen.status, seen.error["code"]) == (status, code)
        assert 1 <= seen.attempts <= 7
        assert b"sk-upstream" not in seen.body
        assert b"<html" not in seen.body
        assert seen.charged == ""  # nothing came, so nothing is charged

    play(story, fault)


@pytest.mark.parametrize("fault", MIDWAY)
def test_a_stream_that_breaks_is_gone_on_with_where_it_can_be(fault: str) -> None:
    async def story(client: Client) -> None:
        seen = await client.asks(stream=True)
        assert (seen.status, seen.error, seen.text) == (200, None, TEXT)
        assert seen.ids == {"chatcmpl-fault"}
        assert seen.body.count(b"[DONE]") == seen.body.count(b'"role"') == 1
        assert seen.attempts == 2
        assert isinstance(seen.charged, Usage)
        assert seen.charged.output_tokens == len(WORDS)
        assert seen.charged.input_tokens == INPUT_TOKENS

    play(story, fault, "none", prefill=True)


@pytest.mark.parametrize("fault", MIDWAY)
def test_where_nobody_can_go_on_the_stream_ends_with_an_error(fault: str) -> None:
    async def story(client: Client) -> None:
        seen = await client.asks(stream=True)
        assert (seen.status, seen.text, seen.attempts) == (200, BEGIN, 1)
        assert seen.error is not None
        assert seen.error["code"] == MIDWAY[fault]
        assert b"[DONE]" not in seen.body
        assert seen.charged == BEGIN  # what was received, to be counted

    play(story, fault, "none")


def test_a_stream_may_break_again_and_again() -> None:
    async def story(client: Client) -> None:
        seen = await client.asks(stream=True)
        assert (seen.error, seen.text, seen.attempts) == (None, TEXT, 4)

    play(story, "drop_mid:3", "drop_mid:4*2, none", prefill=True)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", HARMLESS)
def test_what_is_only_odd_passes(fault: str, stream: bool) -> None:
    async def story(client: Client) -> None:
        seen = await client.asks(stream=stream)
        assert (seen.status, seen.error, seen.text, seen.attempts) == (200, None, TEXT, 1)
        if fault.startswith("usage"):
            assert seen.charged in (TEXT, "")  # the ledger counts
        else:
            assert seen.charged == WHOLE_USAGE

    play(story, fault)


def test_a_server_that_is_gone_is_refused_and_found_again() -> None:
    async def story(client: Client) -> None:
        well(await client.asks(stream=False), 1)
        await client.upstreams["a"].down()
        began_s = asyncio.get_running_loop().time()
        seen = await client.asks(stream=False)
        assert (seen.status, seen.attempts <= 7) == (502, True)
        seen = [await client.asks(stream=False) for _ in range(10)][-1]
        assert (seen.status, seen.attempts) == (502, 1)
        assert asyncio.get_running_loop().time() - began_s < 1.0
        await client.upstreams["a"].up()
        well(await client.asks(stream=False), 1)

    play(story, "none")


def test_a_client_that_leaves_ends_the_call_upstream() -> None:
    async def story(client: Client) -> None:
        from tests.unit.http.door_stand import chat

        line = await client.door.connect()
        line.send(chat(stream=True))
        async with asyncio.timeout(2):
            while not client.upstreams["a"].open_answers:
                await asyncio.sleep(0.005)
        await line.close()

    play(story, "drip:60")


@pytest.mark.parametrize("route", [("share:0.3:status:503",), ("share:0.3:reset_before_head", "share:0.3:drop_mid:0")])
def test_a_crowd_hardly_notices_thirty_percent_of_faults(route: tuple[str, ...]) -> None:
    clients, together = 600, 12  # the door of these tests has room for ten streams

    async def story(client: Client) -> None:
        gate = asyncio.Semaphore(together)
        failed = 0

        async def one(number: int) -> None:
            nonlocal failed
            async with gate:
                seen = await client.asks(stream=bool(number % 2))
                failed += seen.status != 200 or seen.text != TEXT

        await asyncio.gather(*(one(number) for number in range(clients)))
        attempts = sum(call.attempts for call in client.way.calls)
        assert failed <= clients // 1000
        assert attempts <= 1.6 * clients

    play(story, *route, chance=0.5)
