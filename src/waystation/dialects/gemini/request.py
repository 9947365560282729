"""An Ask as the body of `generateContent`. What can't be said there is in `table.py`."""

from typing import Any

import msgspec

from waystation.dialects.ask import Ask, Tool, ToolChoice
from waystation.dialects.gemini.contents import contents
from waystation.dialects.gemini.family import family, thinking
from waystation.dialects.gemini.table import TABLE
from waystation.dialects.mapping import Notes, plain

STOPS_MAX = 5
"""Source: https://ai.google.dev/api/generate-content#generationconfig, November 2026."""
_SEED_BITS = 0x7FFFFFFF

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}
_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}


def gemini_body(ask: Ask, model: str, notes: Notes) -> bytes:
    """The body that asks `model` for this. What is ignored or mapped is in `notes`. Raises Unsupported."""
    kin = family(model)
    config = plain(ask, TABLE, notes)
    _sampling(config, ask, notes)
    if (thoughts := thinking(ask, kin, notes)) is not None:
        config["thinkingConfig"] = thoughts
    if ask.format is not None:
        config["responseMimeType"] = "application/json"
        if ask.format.schema is not None:
            config["responseJsonSchema"] = ask.format.schema
    body = contents(ask, kin, notes)
    if config:
        body["generationConfig"] = config
    if ask.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool, notes) for tool in ask.tools]}]
        if ask.tool_choice is not None:
            body["toolConfig"] = {"functionCallingConfig": _calling(ask.tool_choice)}
    if ask.service_tier in _TIERS:
        body["serviceTier"] = _TIERS[ask.service_tier]
    elif ask.service_tier not in (None, "auto"):
        notes.ignore("service_tier")
    return msgspec.json.encode(body)


def _sampling(config: dict[str, Any], ask: Ask, notes: Notes) -> None:
    """What is not simply handed on."""
    if len(ask.stops) > STOPS_MAX:
        raise notes.refusal("stops", f"This model takes at most {STOPS_MAX} stop sequences.")
    if ask.stops:
        config["stopSequences"] = ask.stops
    if ask.seed is not None:
        config["seed"] = ask.seed & _SEED_BITS
        if config["seed"] != ask.seed:
            notes.map("seed", str(config["seed"]))
    if ask.frequency_penalty:
        config["frequencyPenalty"] = ask.frequency_penalty
    if ask.presence_penalty:
        config["presencePenalty"] = ask.presence_penalty


def _declaration(tool: Tool, notes: Notes) -> dict[str, Any]:
    if tool.custom:
        raise notes.refusal(
            "tools", f"This model has no custom tools. Make `{tool.name}` a function with a text parameter."
        )
    declaration: dict[str, Any] = {"name": tool.name}
    if tool.description:
        declaration["description"] = tool.description
    if tool.schema:
        declaration["parametersJsonSchema"] = tool.schema
    return declaration


def _calling(choice: ToolChoice) -> dict[str, Any]:
    calling: dict[str, Any] = {"mode": _MODES[choice.mode]}
    if choice.mode == "named":
        calling["allowedFunctionNames"] = [choice.name]
    return calling
