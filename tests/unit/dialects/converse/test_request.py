"""What goes out to Bedrock for what is asked."""

import json
from typing import Any

import pytest

from tests.unit.dialects.asks import FULL, PDF, PNG, SCHEMA, hello, tool_loop
from waystation.dialects.ask import (
    Ask,
    Audio,
    Document,
    Format,
    Image,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from waystation.dialects.converse.family import Family, Maker, family
from waystation.dialects.converse.request import can_go_on, converse_body
from waystation.dialects.mapping import Notes
from waystation.errors import Unsupported

CLAUDE_35 = "anthropic.claude-3-5-sonnet-20240620-v1:0"
CLAUDE_45 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_46 = "anthropic.claude-opus-4-6-v1"
CLAUDE_5 = "global.anthropic.claude-opus-5"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"


def body(ask: Ask, model: str = CLAUDE_45, notes: Notes | None = None) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(converse_body(ask, model, notes or Notes()).body)
    return made


def blocks(*given: Part, model: str = CLAUDE_45) -> list[dict[str, Any]]:
    """The blocks of a user's message."""
    made: list[dict[str, Any]] = body(hello(turns=(Turn("user", given),)), model)["messages"][0]["content"]
    return made


@pytest.mark.parametrize(
    ("model", "kin"),
    [
        ("anthropic.claude-v2:1", Family(Maker.CLAUDE, 2.0)),
        ("anthropic.claude-3-haiku-20240307-v1:0", Family(Maker.CLAUDE, 3.0)),
        (CLAUDE_35, Family(Maker.CLAUDE, 3.5)),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", Family(Maker.CLAUDE, 3.7)),
        ("anthropic.claude-sonnet-4-20250514-v1:0", Family(Maker.CLAUDE, 4.0)),
        (CLAUDE_45, Family(Maker.CLAUDE, 4.5)),
        (CLAUDE_46, Family(Maker.CLAUDE, 4.6)),
        ("anthropic.claude-opus-4-7", Family(Maker.CLAUDE, 4.7)),
        (CLAUDE_5, Family(Maker.CLAUDE, 5.0)),
        ("anthropic.claude-fable-5-1", Family(Maker.CLAUDE, 5.1)),
        ("anthropic.claude-mythos-preview", Family(Maker.CLAUDE, 99.0)),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{CLAUDE_45}", Family(Maker.CLAUDE, 4.5)),
        ("amazon.nova-pro-v1:0", Family(Maker.NOVA, 1.0)),
        (NOVA_2, Family(Maker.NOVA, 2.0)),
        (GPT, Family(Maker.GPT_OSS)),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2", Family(Maker.OTHER)),
    ],
    ids=str,
)
def test_an_id_says_its_family(model: str, kin: Family) -> None:
    assert family(model) == kin


def test_a_plain_question_is_all_that_is_sent() -> None:
    assert body(hello()) == {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}


def test_system_turns_and_cache_points_have_their_places() -> None:
    turns = (
        Turn("system", (Text("A", cache=True),)),
        Turn("user", (Text("Hi", cache=True), Text("!"))),
        Turn("developer", (Text("B"),)),
    )
    point = {"cachePoint": {"type": "default"}}
    made = body(hello(turns=turns))
    assert made["system"] == [{"text": "A"}, point, {"text": "B"}]
    assert made["messages"] == [{"role": "user", "content": [{"text": "Hi"}, point, {"text": "!"}]}]
    assert point not in body(hello(turns=turns), LLAMA)["system"]


def test_an_instruction_alone_is_the_question() -> None:
    made = body(hello(turns=(Turn("system", (Text("A"),)),)))
    assert made == {"messages": [{"role": "user", "content": [{"text": "A"}]}]}


def test_turns_of_one_role_become_one_message_with_results_and_their_calls() -> None:
    made = body(hello(turns=tool_loop(thought="c2ln")))
    assert [turn["role"] for turn in made["messages"]] == ["user", "assistant", "user"]
    thought = {"reasoningContent": {"reasoningText": {"text": "Two cities.", "signature": "c2ln"}}}
    use = {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Oslo"}}}
    assert made["messages"][1]["content"][:3] == [thought, {"text": "I look."}, use]
    assert made["messages"][2]["content"] == [
        {"toolResult": {"toolUseId": "call_1", "content": [{"text": "3 degrees"}]}},
        {"toolResult": {"toolUseId": "call_2", "content": [{"text": "no such city"}], "status": "error"}},
        {"text": "Well?"},
    ]
    # It wants them declared, and the caller has not.
    assert made["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]
    }


@pytest.mark.parametrize(
    ("thought", "model", "sent"),
    [
        (Reasoning("Hm", "c2ln"), CLAUDE_45, {"reasoningText": {"text": "Hm", "signature": "c2ln"}}),
        (Reasoning(redacted="aGlk"), CLAUDE_45, {"redactedContent": "aGlk"}),
        (Reasoning("Hm"), CLAUDE_45, None),
        (Reasoning("Hm", "gemini:c2ln"), CLAUDE_45, None),
        (Reasoning("Hm", "c2ln"), GPT, None),
    ],
    ids=["signed", "hidden", "unsigned", "foreign", "other"],
)
def test_only_reasoning_that_is_its_own_goes_back(thought: Reasoning, model: str, sent: Any) -> None:
    turns = (Turn("user", (Text("Hi"),)), Turn("assistant", (thought, Text("Yes"))), Turn("user", (Text("So?"),)))
    content = body(hello(turns=turns), model)["messages"][1]["content"]
    assert content == ([{"reasoningContent": sent}] if sent else []) + [{"text": "Yes"}]


def test_an_id_that_may_not_be_there_is_replaced_in_both_places() -> None:
    strange = "functions.weather:0|" + "x" * 80
    turns = (
        Turn("assistant", (ToolUse(strange, "weather", "nothing"),)),
        Turn("user", (ToolResult(strange, "weather"),)),
    )
    first, second = body(hello(turns=turns))["messages"]
    assert first["content"][0]["toolUse"]["toolUseId"] == second["content"][0]["toolResult"]["toolUseId"]
    assert len(first["content"][0]["toolUse"]["toolUseId"]) <= 64
    assert first["content"][0]["toolUse"]["input"] == {"input": "nothing"}


def test_files_go_as_bytes_with_their_formats() -> None:
    pdf = Document(data=PDF, name="a report_(1).pdf")
    assert blocks(Image(data=PNG), pdf, pdf, Document(data="YQ==", media_type="text/plain"), Audio("YQ==", "wav")) == [
        {"image": {"format": "png", "source": {"bytes": PNG}}},
        {"document": {"format": "pdf", "name": "a report (1)", "source": {"bytes": PDF}}},
        {"document": {"format": "pdf", "name": "a report (1) 2", "source": {"bytes": PDF}}},
        {"document": {"format": "txt", "name": "document", "source": {"bytes": "YQ=="}}},
        {"audio": {"format": "wav", "source": {"bytes": "YQ=="}}},
    ]


def test_files_in_s3_go_by_their_uri() -> None:
    source = {"s3Location": {"uri": "s3://bucket/a.png"}}
    assert blocks(Image(url="s3://bucket/a.png")) == [{"image": {"format": "png", "source": source}}]


@pytest.mark.parametrize(
    "file",
    [
        Image(url="https://example.com/a.png"),
        Image(data="AAAA", media_type="image/tiff"),
        Document(file_id="file-123", media_type="application/pdf"),
        Document(data="AAAA", media_type="application/zip"),
        Audio("AAAA", "midi"),
    ],
    ids=["url", "tiff", "id", "zip", "midi"],
)
def test_files_that_it_can_not_have_are_refused(file: Part) -> None:
    with pytest.raises(Unsupported) as caught:
        blocks(file)
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, None),
        (ToolChoice("auto"), {"auto": {}}),
        (ToolChoice("required"), {"any": {}}),
        (ToolChoice("named", "now"), {"tool": {"name": "now"}}),
    ],
    ids=["unsaid", "auto", "required", "named"],
)
def test_tools_and_their_choice(choice: ToolChoice | None, sent: Any) -> None:
    config = body(hello(tools=(Tool("weather", "Of a city", SCHEMA, strict=True), Tool("now")), tool_choice=choice))
    tools = [
        {"name": "weather", "description": "Of a city", "inputSchema": {"json": SCHEMA}, "strict": True},
        {"name": "now", "inputSchema": {"json": {"type": "object"}}},
    ]
    assert config["toolConfig"]["tools"] == [{"toolSpec": tool} for tool in tools]
    assert config["toolConfig"].get("toolChoice") == sent


def test_no_tools_may_be_called_is_said_by_leaving_them_out() -> None:
    asked = {"tools": (Tool("now"),), "tool_choice": ToolChoice("none")}
    assert "toolConfig" not in body(hello(**asked))
    notes = Notes()
    assert "toolChoice" not in body(hello(turns=tool_loop(), **asked), notes=notes)["toolConfig"]
    assert notes.ignored == ["tool_choice"]


def test_strict_is_for_models_that_know_it() -> None:
    notes = Notes()
    made = body(hello(tools=(Tool("now", strict=True),)), CLAUDE_35, notes)
    assert "strict" not in made["toolConfig"]["tools"][0]["toolSpec"]
    assert notes.ignored == ["tools.strict"]


def test_a_schema_is_the_form_of_the_answer() -> None:
    schema = {"schema": json.dumps(SCHEMA, separators=(",", ":")), "name": "place", "description": "Where"}
    made = body(hello(format=Format(SCHEMA, "place", "Where")))
    assert made["outputConfig"] == {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
    notes = Notes()
    assert "outputConfig" not in body(hello(format=Format()), notes=notes)
    assert notes.ignored == ["response_format"]


@pytest.mark.parametrize(
    ("model", "ask", "config", "more", "ignored", "mapped"),
    [
        (CLAUDE_35, {"temperature": 1.5, "top_p": 0.5}, {"temperature": 1.0, "topP": 0.5}, None, [], ["temperature>1"]),
        (CLAUDE_45, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}, None, ["top_p"], []),
        (CLAUDE_45, {"top_k": 5}, None, {"top_k": 5}, [], []),
        (CLAUDE_5, {"temperature": 0.5, "top_k": 5}, None, None, ["temperature", "top_k"], []),
        (NOVA_2, {"top_k": 5}, None, {"inferenceConfig": {"topK": 5}}, [], []),
        (LLAMA, {"top_k": 5, "seed": 1}, None, None, ["seed", "top_k"], []),
        (LLAMA, {"output_tokens_max": 9, "stops": ("a",)}, {"maxTokens": 9, "stopSequences": ["a"]}, None, [], []),
    ],
    ids=["over", "both", "claude", "newest", "nova", "llama", "plain"],
)
def test_sampling_is_said_as_the_model_takes_it(
    model: str, ask: dict[str, Any], config: Any, more: Any, ignored: list[str], mapped: list[str]
) -> None:
    notes = Notes()
    made = body(hello(**ask), model, notes)
    assert made.get("inferenceConfig") == config
    assert made.get("additionalModelRequestFields") == more
    assert (notes.ignored, notes.mapped) == (ignored, mapped)


ADAPTIVE = {"thinking": {"type": "adaptive"}}


def budget(tokens: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


@pytest.mark.parametrize(
    ("model", "ask", "more", "effort", "told"),
    [
        (CLAUDE_5, {"reasoning_effort": "high"}, ADAPTIVE, "high", []),
        (CLAUDE_5, {"reasoning_effort": "minimal"}, ADAPTIVE, "low", ["reasoning_effort>effort=low"]),
        (CLAUDE_5, {"reasoning_effort": "xhigh"}, ADAPTIVE, "xhigh", []),
        (CLAUDE_46, {"reasoning_effort": "xhigh"}, ADAPTIVE, "high", ["reasoning_effort>effort=high"]),
        (CLAUDE_46, {"reasoning_tokens_max": 4000}, ADAPTIVE, "medium", ["thinking_budget>effort=medium"]),
        (CLAUDE_5, {"reasoning_effort": "none"}, None, None, []),
        (CLAUDE_45, {"reasoning_effort": "low"}, budget(1024), None, ["reasoning_effort>budget_tokens=1024"]),
        (CLAUDE_45, {"reasoning_tokens_max": 5000}, budget(5000), None, []),
        (
            CLAUDE_45,
            {"reasoning_effort": "high", "output_tokens_max": 2000},
            budget(1999),
            None,
            ["reasoning_effort>budget_tokens=1999"],
        ),
        (CLAUDE_45, {"reasoning_effort": "high", "output_tokens_max": 500}, None, None, ["reasoning_effort"]),
        (CLAUDE_45, {"reasoning_effort": "high", "turns": tool_loop()}, None, None, ["reasoning_effort"]),
        (CLAUDE_45, {"reasoning_effort": "high", "said": "Once"}, None, None, ["reasoning_effort"]),
        (CLAUDE_35, {"reasoning_effort": "high"}, None, None, ["reasoning_effort"]),
        (CLAUDE_35, {"reasoning_effort": "none"}, None, None, []),
        (NOVA_2, {"reasoning_effort": "none"}, {"reasoningConfig": {"type": "disabled"}}, None, []),
        (
            NOVA_2,
            {"reasoning_effort": "high"},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            None,
            [],
        ),
        (
            NOVA_2,
            {"reasoning_effort": "high", "output_tokens_max": 9},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
            None,
            ["reasoning_effort>effort=medium"],
        ),
        (GPT, {"reasoning_effort": "max"}, {"reasoning_effort": "high"}, None, ["reasoning_effort>effort=high"]),
    ],
    ids=str,
)
def test_thinking_is_asked_for_as_the_model_takes_it(
    model: str, ask: dict[str, Any], more: Any, effort: str | None, told: list[str]
) -> None:
    notes = Notes()
    made = body(hello(**ask), model, notes)
    assert made.get("additionalModelRequestFields") == more
    assert made.get("outputConfig", {}).get("effort") == effort
    assert notes.ignored + notes.mapped == told


def test_thinking_takes_no_sampling_with_it() -> None:
    notes = Notes()
    assert "inferenceConfig" not in body(hello(reasoning_effort="low", temperature=0.2, top_p=0.1), notes=notes)
    assert notes.ignored == ["temperature", "top_p"]


@pytest.mark.parametrize(
    ("model", "prefill", "can"),
    [
        (CLAUDE_35, False, True),
        (CLAUDE_45, False, True),
        (CLAUDE_46, True, False),
        (CLAUDE_5, True, False),
        (NOVA_2, False, False),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2", True, True),
    ],
)
def test_who_goes_on_with_an_answer(model: str, prefill: bool, can: bool) -> None:
    assert can_go_on(model, prefill=prefill) is can


@pytest.mark.parametrize(
    ("turns", "roles"),
    [
        ((Turn("user", (Text("Hi"),)),), ["user", "assistant"]),
        ((Turn("user", (Text("Hi"),)), Turn("assistant", (Text("Well,"),))), ["user", "assistant"]),
    ],
    ids=["user", "assistant"],
)
def test_what_was_said_is_the_assistants_last_message(turns: tuple[Turn, ...], roles: list[str]) -> None:
    written = converse_body(hello(turns=turns, said="Once upon \n"), CLAUDE_45, Notes())
    messages = json.loads(written.body)["messages"]
    assert [message["role"] for message in messages] == roles
    assert messages[-1]["content"][-1] == {"text": "Once upon"}
    assert written.strip
    assert not converse_body(hello(said="Once"), CLAUDE_45, Notes()).strip


@pytest.mark.parametrize(
    ("tier", "sent", "ignored"),
    [("flex", {"type": "flex"}, []), ("auto", None, []), ("scale", None, ["service_tier"])],
)
def test_service_tiers_have_names_there(tier: str, sent: Any, ignored: list[str]) -> None:
    notes = Notes()
    assert body(hello(service_tier=tier), notes=notes).get("serviceTier") == sent
    assert notes.ignored == ignored


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"choices": 2}, "n"),
        ({"tools": (Tool("free", custom=True),)}, "tools"),
        ({"prompt": "Once", "turns": ()}, "prompt"),
    ],
    ids=["choices", "custom", "completion"],
)
def test_what_would_change_the_answer_is_refused(more: dict[str, Any], param: str) -> None:
    with pytest.raises(Unsupported) as caught:
        body(hello(**more))
    assert caught.value.param == param


@pytest.mark.parametrize("model", [CLAUDE_45, LLAMA])
def test_everything_at_once_is_a_body(model: str) -> None:
    made = body(FULL, model)
    assert {"messages", "system", "inferenceConfig", "toolConfig", "outputConfig"} <= set(made)
