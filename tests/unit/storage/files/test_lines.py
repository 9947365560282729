"""Files for batches and fine-tuning are checked line by line as they come, however the bytes are cut."""

import json
from typing import Any

import pytest

from waystation.errors import InvalidRequest
from waystation.storage.files import json_lines
from waystation.storage.files.line_checks import BATCH_LINES_MAX, checker_for

CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}


def request(custom_id: str = "a", **other: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": {}} | other


def lines(*objects: Any) -> bytes:
    return b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in objects)


def refusal(purpose: str, content: bytes, cut: int = 7) -> InvalidRequest | None:
    check = checker_for(purpose)
    assert check is not None
    for at in range(0, len(content), cut):
        check.feed(content[at : at + cut])
    try:
        check.finish()
    except InvalidRequest as error:
        return error
    return None


@pytest.mark.parametrize(
    ("purpose", "content"),
    [
        ("batch", lines(request("1"), request("2", url="/v1/responses"))),
        ("batch", lines(request("1"))[:-1]),
        ("batch", b"\xef\xbb\xbf" + lines(request("1")) + b"\r\n  \n" + lines(request("2")).replace(b"\n", b"\r\n")),
        ("fine-tune", lines(CHAT, CHAT)),
        ("fine-tune", lines({"prompt": "a", "completion": "b"})),
        ("fine-tune", lines({"input": {}, "preferred_output": [], "non_preferred_output": []})),
    ],
    ids=["batch", "no-newline-at-end", "bom-blank-crlf", "chat", "completion", "preference"],
)
def test_what_can_be_used_is_taken(purpose: str, content: bytes) -> None:
    assert refusal(purpose, content) is None


@pytest.mark.parametrize(
    ("purpose", "content", "code", "words"),
    [
        ("batch", b"", "empty_file", "no lines"),
        ("batch", b"\n\r\n", "empty_file", "no lines"),
        ("batch", lines(request("1"), b"{nope"), "invalid_json_line", "Line 2 is not parseable as valid JSON"),
        ("fine-tune", lines([1]), "invalid_json_line", "Expected file to have JSONL format"),
        ("fine-tune", lines(b'{"a": "\xff"}'), "invalid_json_line", "Line 1"),
        ("batch", lines(b"[" * 100_000), "invalid_json_line", "Line 1"),
        ("batch", lines(request("1"), CHAT, request("1")), "missing_required_parameter", "Line 2: Missing"),
        ("batch", lines(request("1"), request("1")), "duplicate_custom_id", "custom_id of line 1"),
        ("batch", lines(request("1", method="GET")), "invalid_method", "Line 1"),
        ("batch", lines(request("1", url="/v1/files")), "invalid_url", "/v1/responses"),
        ("batch", lines(request("1", url=["x"])), "invalid_url", "Line 1"),
        ("batch", lines(request("1", body="x")), "invalid_type", "'body' is an object"),
        ("batch", lines(request() | {"custom_id": 7}), "invalid_type", "'custom_id'"),
        ("batch", lines(request("1", body={"stream": True})), "invalid_value", "streamed"),
        ("fine-tune", lines({"text": "x"}), "missing_required_parameter", "'messages'"),
        ("fine-tune", lines({"messages": []}), "invalid_type", "at least one"),
        ("fine-tune", lines({"messages": [{"role": "boss", "content": "x"}]}), "invalid_value", "messages[0].role"),
        ("fine-tune", lines({"messages": [{"role": "user"}]}), "invalid_type", "messages[0].content"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_can_not_is_named_by_its_line(purpose: str, content: bytes, code: str, words: str) -> None:
    error = refusal(purpose, content)
    assert error is not None
    assert (error.code, error.param) == (code, "file")
    assert words in error.message


def test_the_first_ten_problems_are_named_and_the_rest_counted() -> None:
    error = refusal("batch", lines(*[request(str(at), method="GET") for at in range(14)]))
    assert error is not None
    assert "Line 10:" in error.message
    assert "Line 11:" not in error.message
    assert "And 4 more." in error.message


def test_a_line_without_end_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "LINE_BYTES_MAX", 1000)
    error = refusal("batch", b"x" * 5000 + b"\n" + lines(request("1")), cut=300)
    assert error is not None
    assert error.message == "Line 1 is longer than 1000 bytes."


def test_a_batch_has_a_most_of_requests() -> None:
    check = checker_for("batch")
    assert check is not None
    check.feed(
        b"".join(
            b'{"custom_id":"%d","method":"POST","url":"/v1/responses","body":{}}\n' % n
            for n in range(BATCH_LINES_MAX + 9)
        )
    )
    with pytest.raises(InvalidRequest, match="one too many"):
        check.finish()
