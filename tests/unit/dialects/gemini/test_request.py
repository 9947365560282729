"""What goes out to Gemini for what is asked."""

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
from waystation.dialects.gemini.request import gemini_body
from waystation.dialects.mapping import Notes
from waystation.errors import Unsupported

OLD, NEW, PRO = "gemini-2.5-flash", "gemini-3.5-flash", "gemini-3.1-pro-preview"


def body(ask: Ask, model: str = OLD, notes: Notes | None = None) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(gemini_body(ask, model, notes or Notes()))
    return made


def parts(*given: Part, model: str = OLD) -> list[dict[str, Any]]:
    """The parts of a user's turn."""
    made: list[dict[str, Any]] = body(hello(turns=(Turn("user", given),)), model)["contents"][0]["parts"]
    return made


def test_a_plain_question_is_all_that_is_sent() -> None:
    assert body(hello()) == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_system_turns_are_the_instruction() -> None:
    turns = (Turn("system", (Text("A"),)), Turn("user", (Text("Hi"),)), Turn("developer", (Text("B"),)))
    made = body(hello(turns=turns))
    assert made["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
    assert made["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]


def test_an_instruction_alone_is_the_question() -> None:
    assert body(hello(turns=(Turn("system", (Text("A"),)),))) == {
        "contents": [{"role": "user", "parts": [{"text": "A"}]}]
    }


def test_results_of_parallel_calls_are_one_turn_with_names_and_ids() -> None:
    contents = body(hello(turns=tool_loop()))["contents"]
    assert [turn["role"] for turn in contents] == ["user", "model", "user"]
    assert contents[2]["parts"] == [
        {"functionResponse": {"id": "call_1", "name": "weather", "response": {"output": "3 degrees"}}},
        {"functionResponse": {"id": "call_2", "name": "weather", "response": {"error": "no such city"}}},
        {"text": "Well?"},
    ]


@pytest.mark.parametrize(
    ("model", "signature", "signatures"),
    [
        (OLD, None, [None, None]),
        (OLD, "c2ln", ["c2ln", None]),
        (NEW, "c2ln", ["c2ln", None]),
        (NEW, None, ["skip_thought_signature_validator", None]),  # made by another model
    ],
)
def test_the_first_call_of_a_step_is_signed(model: str, signature: str | None, signatures: list[str | None]) -> None:
    calls = body(hello(turns=tool_loop(signature=signature)), model)["contents"][1]["parts"][1:]
    assert [part.get("thoughtSignature") for part in calls] == signatures
    assert calls[0]["functionCall"] == {"id": "call_1", "name": "weather", "args": {"city": "Oslo"}}


@pytest.mark.parametrize(
    ("signature", "sent"),
    [("gemini:c2ln", [{"text": "", "thoughtSignature": "c2ln"}]), ("anothers", []), (None, [])],
)
def test_only_its_own_signature_of_a_thought_goes_back(signature: str | None, sent: list[Any]) -> None:
    turns = (Turn("user", (Text("Hi"),)), Turn("assistant", (Reasoning("Hm", signature), Text("Yes"))))
    assert body(hello(turns=turns), NEW)["contents"][1]["parts"] == [*sent, {"text": "Yes"}]


@pytest.mark.parametrize("arguments", ["", "  ", "{}"])
def test_a_call_without_arguments_has_an_empty_object(arguments: str) -> None:
    turns = (Turn("assistant", (ToolUse("", "now", arguments),)),)
    assert body(hello(turns=turns))["contents"][0]["parts"] == [{"functionCall": {"name": "now", "args": {}}}]


@pytest.mark.parametrize(("arguments", "args"), [("not JSON", {"input": "not JSON"}), ("[1]", {"input": [1]})])
def test_arguments_that_are_no_object_are_put_into_one(arguments: str, args: Any) -> None:
    turns = (Turn("assistant", (ToolUse("1", "now", arguments),)),)
    assert body(hello(turns=turns))["contents"][0]["parts"][0]["functionCall"]["args"] == args


def test_files_go_inline_with_their_media_types() -> None:
    assert parts(
        Image(data=PNG), Document(data=PDF, name="x"), Document(data="YQ==", name="a.CSV"), Audio("YQ==", "wav")
    ) == [
        {"inlineData": {"mimeType": "image/png", "data": PNG}},
        {"inlineData": {"mimeType": "application/pdf", "data": PDF}},
        {"inlineData": {"mimeType": "text/csv", "data": "YQ=="}},
        {"inlineData": {"mimeType": "audio/wav", "data": "YQ=="}},
    ]


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        (Document(file_id="files/abc-1"), "https://generativelanguage.googleapis.com/v1beta/files/abc-1"),
        (Document(url="gs://bucket/a.pdf", media_type="application/pdf"), "gs://bucket/a.pdf"),
        (Image(url="https://www.youtube.com/watch?v=1"), "https://www.youtube.com/watch?v=1"),
    ],
    ids=["file", "storage", "youtube"],
)
def test_files_that_google_has_go_by_their_uri(file: Image | Document, uri: str) -> None:
    assert parts(file)[0]["fileData"]["fileUri"] == uri


@pytest.mark.parametrize(
    "file",
    [Image(url="https://example.com/a.png"), Document(file_id="file-123"), Image(data="AAAA")],
    ids=["url", "id", "kind"],
)
def test_files_that_it_can_not_have_are_refused(file: Image | Document) -> None:
    with pytest.raises(Unsupported) as caught:
        parts(file)
    assert caught.value.param == "messages"


def test_detail_is_a_resolution_for_models_that_have_it() -> None:
    image = Image(data=PNG, detail="high")
    assert parts(image, model=NEW)[0]["mediaResolution"] == {"level": "MEDIA_RESOLUTION_HIGH"}
    notes = Notes()
    assert "mediaResolution" not in body(hello(turns=(Turn("user", (image,)),)), OLD, notes)["contents"][0]["parts"][0]
    assert notes.ignored == ["detail"]


@pytest.mark.parametrize("model", [OLD, NEW])
def test_a_picture_that_a_tool_gives_is_sent(model: str) -> None:
    made = parts(ToolResult("1", "look", (Text("here"), Image(data=PNG))), model=model)
    picture = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    response = {"id": "1", "name": "look", "response": {"output": "here"}}
    if model == NEW:
        assert made == [{"functionResponse": {**response, "parts": [picture]}}]
    else:
        assert made == [{"functionResponse": response}, picture]


def test_tools_carry_their_json_schema() -> None:
    made = body(hello(tools=(Tool("weather", "Of a city", SCHEMA), Tool("now"))))
    declarations = [
        {"name": "weather", "description": "Of a city", "parametersJsonSchema": SCHEMA},
        {"name": "now"},
    ]
    assert made["tools"] == [{"functionDeclarations": declarations}]
    assert "toolConfig" not in made


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("named", "now"), {"mode": "ANY", "allowedFunctionNames": ["now"]}),
    ],
    ids=["auto", "none", "required", "named"],
)
def test_tool_choice_is_a_mode(choice: ToolChoice, calling: dict[str, Any]) -> None:
    made = body(hello(tools=(Tool("now"),), tool_choice=choice))
    assert made["toolConfig"] == {"functionCallingConfig": calling}


@pytest.mark.parametrize(
    ("form", "config"),
    [
        (Format(), {"responseMimeType": "application/json"}),
        (Format(SCHEMA), {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}),
    ],
    ids=["any", "schema"],
)
def test_a_form_is_json(form: Format, config: dict[str, Any]) -> None:
    assert body(hello(format=form))["generationConfig"] == config


def test_sampling_keeps_its_values() -> None:
    ask = hello(
        output_tokens_max=9,
        temperature=1.5,
        top_p=0.5,
        top_k=3,
        stops=("a", "b"),
        seed=7,
        frequency_penalty=0.5,
        presence_penalty=0.0,
        choices=2,
    )
    notes = Notes()
    assert body(ask, notes=notes)["generationConfig"] == {
        "maxOutputTokens": 9,
        "temperature": 1.5,
        "topP": 0.5,
        "topK": 3,
        "stopSequences": ["a", "b"],
        "seed": 7,
        "frequencyPenalty": 0.5,
        "candidateCount": 2,
    }
    assert (notes.ignored, notes.mapped) == ([], [])


def test_a_seed_that_is_too_large_becomes_another_and_is_told() -> None:
    notes = Notes()
    assert body(hello(seed=2**31 + 5), notes=notes)["generationConfig"]["seed"] == 5
    assert notes.mapped == ["seed>5"]


@pytest.mark.parametrize(
    ("model", "ask", "config", "mapped"),
    [
        (OLD, {"reasoning_effort": "none"}, {"thinkingBudget": 0, "includeThoughts": False}, "thinkingBudget=0"),
        (OLD, {"reasoning_effort": "medium"}, {"thinkingBudget": 8192, "includeThoughts": True}, "thinkingBudget=8192"),
        (OLD, {"reasoning_effort": "max"}, {"thinkingBudget": 24576, "includeThoughts": True}, "thinkingBudget=24576"),
        (OLD, {"reasoning_tokens_max": 2000}, {"thinkingBudget": 2000, "includeThoughts": True}, None),
        (
            "models/gemini-2.5-pro",
            {"reasoning_effort": "none"},
            {"thinkingBudget": 128, "includeThoughts": False},
            "thinkingBudget=128",
        ),
        (
            NEW,
            {"reasoning_effort": "none"},
            {"thinkingLevel": "MINIMAL", "includeThoughts": False},
            "thinkingLevel=minimal",
        ),
        (NEW, {"reasoning_effort": "low"}, {"thinkingLevel": "LOW", "includeThoughts": True}, None),
        (NEW, {"reasoning_effort": "xhigh"}, {"thinkingLevel": "HIGH", "includeThoughts": True}, "thinkingLevel=high"),
        (
            NEW,
            {"reasoning_tokens_max": 5000},
            {"thinkingLevel": "MEDIUM", "includeThoughts": True},
            "thinkingLevel=medium",
        ),
        (PRO, {"reasoning_effort": "minimal"}, {"thinkingLevel": "LOW", "includeThoughts": True}, "thinkingLevel=low"),
        (PRO, {"reasoning_effort": "medium"}, {"thinkingLevel": "MEDIUM", "includeThoughts": True}, None),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_thinking_is_asked_for_as_the_model_takes_it(
    model: str, ask: dict[str, Any], config: dict[str, Any], mapped: str | None
) -> None:
    notes = Notes()
    assert body(hello(**ask), model, notes)["generationConfig"]["thinkingConfig"] == config
    field = "thinking_budget" if "reasoning_tokens_max" in ask else "reasoning_effort"
    assert notes.mapped == ([f"{field}>{mapped}"] if mapped else [])


@pytest.mark.parametrize("model", ["gemma-3-27b-it", "gemini-2.0-flash", "tunedModels/mine"])
def test_models_that_do_not_think_are_not_asked_to(model: str) -> None:
    notes = Notes()
    assert "generationConfig" not in body(hello(reasoning_effort="high"), model, notes)
    assert notes.ignored == ["reasoning_effort"]


@pytest.mark.parametrize(
    ("tier", "sent", "ignored"),
    [("flex", "flex", []), ("default", "standard", []), ("auto", None, []), ("scale", None, ["service_tier"])],
)
def test_service_tiers_have_names_there(tier: str, sent: str | None, ignored: list[str]) -> None:
    notes = Notes()
    assert body(hello(service_tier=tier), notes=notes).get("serviceTier") == sent
    assert notes.ignored == ignored


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"stops": tuple("abcdef")}, "stop"),
        ({"tools": (Tool("free", custom=True),)}, "tools"),
        ({"prompt": "Once", "turns": ()}, "prompt"),
    ],
    ids=["stops", "custom", "completion"],
)
def test_what_would_change_the_answer_is_refused(more: dict[str, Any], param: str) -> None:
    with pytest.raises(Unsupported) as caught:
        body(hello(**more))
    assert caught.value.param == param


def test_what_can_not_be_said_is_named() -> None:
    notes = Notes()
    body(hello(logit_bias={"1": 1.0}, logprobs=2, metadata={"a": "b"}, verbosity="low", extra={"x": 1}), notes=notes)
    assert notes.ignored == ["logit_bias", "logprobs", "verbosity", "metadata", "x"]


@pytest.mark.parametrize("model", [OLD, NEW])
def test_everything_at_once_is_a_body(model: str) -> None:
    assert set(body(FULL, model)) == {"contents", "systemInstruction", "generationConfig", "tools", "toolConfig"}
