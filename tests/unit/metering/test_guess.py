"""The words of a request and of an answer."""

import json

import pytest

from waystation.metering.guess import answer_text, given_token_ids, request_text, tokens_of_bytes


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": [{"role": "user", "content": "hello there"}]}, ["user", "hello there"]),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "what is this?"},
                            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                        ],
                    }
                ]
            },
            ["user", "what is this?"],
        ),
        ({"prompt": ["one", "two"], "suffix": "x"}, ["one", "two"]),
        ({"input": "你好"}, ["你好"]),
        ({"tools": [{"type": "function", "function": {"name": "f", "description": "does"}}]}, ["f", "does"]),
        (
            {
                "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                            {"type": "image", "source": {"type": "url", "url": "https://x"}},
                            {
                                "type": "document",
                                "source": {"type": "text", "media_type": "text/plain", "data": "word"},
                            },
                            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"},
                        ],
                    },
                ],
            },
            ["Be kind.", "user", "text/plain", "word", "sunny"],
        ),
        ({"model": "small"}, []),
        ([1, 2], []),
    ],
)
def test_a_requests_words_are_found(body: object, words: list[str]) -> None:
    assert request_text(json.dumps(body).encode()) == "\n".join(words)


@pytest.mark.parametrize(
    ("body", "count"),
    [({"prompt": [1, 2, 3]}, 3), ({"input": [[1, 2], [3]]}, 3), ({"input": "1 2 3"}, 0), ({"input": ["a"]}, 0)],
)
def test_token_ids_are_counted(body: object, count: int) -> None:
    assert given_token_ids(json.dumps(body).encode()) == count


def test_an_answers_words_are_those_of_all_choices_and_tool_calls() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    body = {
        "choices": [
            {"message": {"content": "hello"}},
            {"message": {"content": None, "tool_calls": [call]}},
            {"text": "x"},
        ]
    }
    assert answer_text(json.dumps(body).encode()) == 'hello\nf\n{"a":1}\nx'


def test_a_messages_words_are_those_of_all_its_blocks() -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "AAAA"},
        {"type": "redacted_thinking", "data": "BBBB"},
        {"type": "text", "text": "hello"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": "b"}},
    ]
    assert answer_text(json.dumps({"type": "message", "content": content}).encode()) == "hm\nhello\nf\nb"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"choices":3}', b'{"choices":[3,null]}', b"\xff"])
def test_what_is_no_answer_has_no_words(body: bytes) -> None:
    assert answer_text(body) == ""
    assert request_text(body) == ""


def test_bytes_are_rounded_up_to_tokens() -> None:
    assert [tokens_of_bytes(size) for size in (0, 1, 4, 5)] == [0, 1, 1, 2]
