"""Chat in the terminal: answers as they come, errors as sentences."""

import json
from pathlib import Path

from tests.unit.cli.api_stand import KEY, api
from tests.unit.cli.command import waystation

ENVIRON = {"OPENAI_API_KEY": KEY}


def chunk(text: str) -> str:
    return json.dumps({"choices": [{"delta": {"content": text}}]})


def test_an_answer_is_printed_whole(tmp_path: Path) -> None:
    events = [
        json.dumps({"choices": [{"delta": {"role": "assistant"}}]}),
        chunk("你"),
        chunk("好"),
        '{"choices": []}',
        "[DONE]",
    ]
    with api(200, events) as url:
        said = waystation("chat", "hi", "--base-url", url, home=tmp_path, environ=ENVIRON)
        piped = waystation("chat", "--base-url", url, home=tmp_path, environ=ENVIRON, stdin="hi")
    assert (said.code, said.out, said.err) == (0, "你好\n", "")
    assert piped.out == "你好\n"


def test_an_error_in_mid_stream_is_told(tmp_path: Path) -> None:
    events = [chunk("Once "), json.dumps({"error": {"message": "The model has died.", "code": "service_unavailable"}})]
    with api(200, events) as url:
        said = waystation("chat", "hi", "--base-url", url, home=tmp_path, environ=ENVIRON)
    assert said.code == 1
    assert said.out == "Once "
    assert "The model has died." in said.err


def test_a_stream_that_breaks_off_is_no_answer(tmp_path: Path) -> None:
    with api(200, [chunk("Once ")]) as url:
        said = waystation("chat", "hi", "--base-url", url, home=tmp_path, environ=ENVIRON)
    assert said.code == 1
    assert "before its end" in said.err


def test_a_wrong_key_is_told_without_a_traceback(tmp_path: Path) -> None:
    with api() as url:
        said = waystation("chat", "hi", "--base-url", url, home=tmp_path, environ={"OPENAI_API_KEY": "sk-wrong"})
    assert said.code == 1
    assert said.err.startswith("401 invalid_api_key: Incorrect API key provided.")
