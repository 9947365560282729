"""Google's own SDK (google-genai) proves the Gemini dialect: its types take our bodies, its client sends the same and reads the
answers that we read, and we read the answers that its types make.

Not proven, because nobody asks Google here: that the service takes each body (above all `serviceTier`, `mediaResolution` by part
and signatures that stand for missing ones), which models take which thinking, and which errors it really sends.
"""

import json
import re
from typing import Any

import pytest

from tests.e2e.foreign_sdks import side
from tests.unit.dialects.asks import FULL, PNG, SCHEMA, arguments_in, hello, read, text_in, thoughts_in, tool_loop
from tests.unit.dialects.gemini.documented import CALLS, STREAM, WHOLE, sse
from waystation.dialects.ask import (
    Ask,
    Audio,
    Document,
    Format,
    Image,
    Reasoning,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    Turn,
)
from waystation.dialects.gemini.answer import GeminiReader
from waystation.dialects.gemini.request import gemini_body
from waystation.dialects.mapping import Notes
from waystation.dialects.saying import CallBegun, Ended, Saying, Used

pytestmark = pytest.mark.slow

SDK, SCRIPT = "google-genai-3.6.1", "genai_side.py"
OLD, NEW = "gemini-2.5-flash", "gemini-3.5-flash"

ASKS = (
    hello(),
    FULL,
    hello(turns=tool_loop(signature="c2ln")),
    hello(turns=(Turn("user", (Image(data=PNG, detail="high"), Document(file_id="files/a"), Audio("YQ==", "mp3"))),)),
    hello(turns=(Turn("user", (ToolResult("1", "look", (Text("!"), Image(data=PNG))),)),)),
    hello(turns=(Turn("user", (Text("Hi"),)), Turn("assistant", (Reasoning("Hm", "gemini:c2ln"), Text("Yes"))))),
    hello(tools=(Tool("now"),), tool_choice=ToolChoice("none"), format=Format()),
    hello(top_p=0.5, top_k=3, seed=1, frequency_penalty=0.1, presence_penalty=0.2, choices=2, service_tier="flex"),
    hello(reasoning_effort="high"),
    hello(reasoning_tokens_max=2000),
)


def sent(ask: Ask, model: str) -> Any:
    return json.loads(gemini_body(ask, model, Notes()))


def test_each_member_of_our_bodies_has_its_type() -> None:
    bodies = [sent(ask, model) for ask in ASKS for model in (OLD, NEW)]
    names = ["contents", "generationConfig", "serviceTier", "systemInstruction", "toolConfig", "tools"]
    assert side(SDK, SCRIPT, "check", bodies) == names


def test_what_its_types_make_is_read_as_they_say() -> None:
    for answer in side(SDK, SCRIPT, "made", None):
        sayings = read(GeminiReader(stream=False), [answer["json"].encode()])
        assert text_in(sayings) == (answer["text"] or "")
        assert calls_in(sayings) == answer["calls"]
        used = sayings[-1]
        assert isinstance(used, Used)
        assert (used.usage.input_tokens, used.usage.output_tokens, used.usage.cached_tokens) == (9, 8, 4)
        assert any(isinstance(saying, Ended) for saying in sayings)


QUESTION = Ask(
    stream=True,
    turns=(
        Turn("system", (Text("Be brief."),)),
        *tool_loop(signature="c2ln")[1:],
        Turn("assistant", (Text("Oslo is colder."),)),
        Turn("user", (Text("What is this?"), Image(data=PNG, media_type="image/png"))),
    ),
    tools=(Tool("weather", "Of a city", SCHEMA),),
    tool_choice=ToolChoice("named", "weather"),
    format=Format(SCHEMA),
    output_tokens_max=4000,
    temperature=0.5,
    top_p=0.9,
    top_k=3,
    stops=("END",),
    seed=7,
    reasoning_tokens_max=2000,
)
CONFIG = {
    "system_instruction": {"parts": [{"text": "Be brief."}]},
    "tools": [
        {"function_declarations": [{"name": "weather", "description": "Of a city", "parameters_json_schema": SCHEMA}]}
    ],
    "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["weather"]}},
    "response_mime_type": "application/json",
    "response_json_schema": SCHEMA,
    "max_output_tokens": 4000,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 3,
    "stop_sequences": ["END"],
    "seed": 7,
    "thinking_config": {"thinking_budget": 2000, "include_thoughts": True},
    "automatic_function_calling": {"disable": True},
}


def usual(value: Any) -> Any:
    """JSON with names in one of the two spellings that Google's JSON has, and base64 in one of its two alphabets."""
    if isinstance(value, dict):
        return {re.sub("_([a-z])", lambda match: match[1].upper(), name): usual(each) for name, each in value.items()}
    if isinstance(value, list):
        return [usual(each) for each in value]
    return value.translate(str.maketrans("-_", "+/")) if isinstance(value, str) else value


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
def test_its_client_sends_what_we_send_and_reads_what_we_read(streams: bool) -> None:
    ours = sent(QUESTION, OLD)
    data = sse(*STREAM) if streams else json.dumps(WHOLE).encode()
    told = side(
        SDK,
        SCRIPT,
        "ask",
        {
            "model": OLD,
            "contents": ours["contents"],
            "config": CONFIG,
            "stream": streams,
            "status": 200,
            "kind": "text/event-stream" if streams else "application/json",
            "reply": data.decode(),
        },
    )
    path = "streamGenerateContent?alt=sse" if streams else "generateContent"
    assert told["sent"]["path"] == f"/v1beta/models/{OLD}:{path}"
    assert told["sent"]["key"] == "key-1"
    assert usual(told["sent"]["body"]) == usual(ours)
    sayings = read(GeminiReader(stream=streams), [data])
    assert text_in(sayings) == told["text"]
    assert thoughts_in(sayings) == told["thoughts"]
    used = sayings[-1]
    assert isinstance(used, Used)
    counts = told["used"]
    assert used.usage.input_tokens == counts["prompt_token_count"]
    assert used.usage.output_tokens == counts["candidates_token_count"] + counts["thoughts_token_count"]
    assert used.usage.cached_tokens == counts["cached_content_token_count"]


def test_its_client_and_we_read_the_same_calls() -> None:
    question = {
        "model": NEW,
        "contents": sent(hello(), NEW)["contents"],
        "config": {"automatic_function_calling": {"disable": True}},
        "stream": False,
        "status": 200,
        "kind": "application/json",
        "reply": json.dumps(CALLS),
    }
    told = side(SDK, SCRIPT, "ask", question)
    sayings = read(GeminiReader(stream=False), [json.dumps(CALLS).encode()])
    assert calls_in(sayings) == [[name, arguments or {}] for name, arguments in told["calls"]]


def calls_in(sayings: list[Saying]) -> list[Any]:
    begun = [saying for saying in sayings if isinstance(saying, CallBegun)]
    return [[call.name, json.loads(arguments_in(sayings, call.index))] for call in begun]
