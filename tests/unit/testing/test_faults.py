"""The script language of faults, and the words that are gone on with."""

import asyncio

import pytest

from waystation.testing.faults import FaultyUpstream
from waystation.testing.faults_script import BadScript, Script
from waystation.testing.faults_words import INPUT_TOKENS, TEXT, WORDS, Asked, usage_of, words_for

CHAT = "/v1/chat/completions"

SCRIPTS = {
    "none": ["none"] * 3,
    "html": ["html"] * 3,
    "html, none": ["html", "none", "none"],
    "drop_mid:3*2, status:503, none": ["drop_mid", "drop_mid", "status", "none", "none"],
    "share:0:html, gzip": ["gzip", "gzip"],
    "key:sk-bad:status:401, split": ["split", "split"],
    "flap:10:5:html, split": ["split"],
    "html*1": ["html", "none"],
}


@pytest.mark.parametrize("text", SCRIPTS, ids=range(len(SCRIPTS)))
def test_a_script_says_which_fault_comes_next(text: str) -> None:
    script = Script.read(text, 1)
    assert [script.next(0.0).name for _ in SCRIPTS[text]] == SCRIPTS[text]


def test_a_key_a_time_and_a_share() -> None:
    script = Script.read("key:sk-bad:status:401, flap:10:5:html, share:0.3:gzip", 1)
    assert script.next(0.0, "sk-bad").number == 401
    assert [script.next(at_s).name == "html" for at_s in (0.0, 9.9, 10.0, 14.9, 15.0, 25.0)] == [
        False,
        False,
        True,
        True,
        False,
        True,
    ]
    shares = [script.next(0.0).name for _ in range(2000)]
    assert shares.count("gzip") == pytest.approx(600, abs=60)


@pytest.mark.parametrize("text", ["flood", "drop_mid:x", "share:much:html", "flap:10:html", "html*many"], ids=range(5))
def test_a_bad_script_is_told(text: str) -> None:
    with pytest.raises(BadScript):
        Script.read(text)


@pytest.mark.parametrize("letters", [0, 1, 5, 9, 23, len(TEXT)])
def test_the_rest_of_the_words_follows_what_was_said(letters: int) -> None:
    said = TEXT[:letters]
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": said}]
    chat, prompt = Asked(messages=turns), Asked(prompt="Tell me: " + said)
    assert said + "".join(words_for(chat)[0]) == TEXT
    assert said + "".join(words_for(prompt)[0]) == TEXT
    block = {"role": "assistant", "content": [{"type": "text", "text": said}]}
    assert words_for(Asked(messages=[block])) == words_for(chat)


def test_what_is_gone_on_with_is_read_and_a_limit_is_kept() -> None:
    asked = Asked(messages=[{"role": "assistant", "content": "".join(WORDS[:4])}], max_tokens=5)
    assert words_for(asked) == (list(WORDS[4:9]), True)
    assert usage_of(CHAT, asked) == {"prompt_tokens": INPUT_TOKENS + 4, "completion_tokens": 5, "total_tokens": 16}


def test_it_says_what_it_has_met_and_plays_what_it_is_told() -> None:
    async def ask(url: str, request: bytes) -> bytes:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(size)
        writer.close()
        return head.split(b"\r\n")[0] + body

    async def story() -> None:
        async with FaultyUpstream() as upstream:
            call = b'POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 13\r\n\r\n{"model":"m"}'
            assert b"200" in await ask(upstream.url, call)
            told = b"POST /told HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b"
            assert (await ask(upstream.url, told % (10, b"status:503"))).endswith(
                b'{"met":{"none":1},"connections":0,"answers":0}'
            )
            assert b"503" in await ask(upstream.url, call)
            assert b"400" in await ask(upstream.url, told % (5, b"flood"))
            assert b'"status":1' in await ask(upstream.url, b"GET /told HTTP/1.1\r\n\r\n")

    asyncio.run(story())
