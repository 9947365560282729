"""An Ask as the body of `Converse` and `ConverseStream`. What can't be said there is in `table.py`."""

from typing import Any, NamedTuple

import msgspec

from waystation.dialects.ask import Ask, Format
from waystation.dialects.converse.family import Family, Maker, family
from waystation.dialects.converse.messages import messages
from waystation.dialects.converse.table import TABLE
from waystation.dialects.converse.thinking import Thinking, thinking
from waystation.dialects.converse.tools import tool_config
from waystation.dialects.mapping import Notes, plain

_TIERS = ("default", "flex", "priority", "reserved")
STOP_SEQUENCE = "/stop_sequence"
"""Where Claude says which one ended its answer."""


class Written(NamedTuple):
    body: bytes
    strip: bool = False  # the answer goes on after white space that was said: what it begins with is said already


def can_go_on(model: str, *, prefill: bool) -> bool:
    """Whether a model takes `Ask.said`. `prefill`: an administrator says so of one whose id does not tell."""
    kin = family(model)
    return kin.prefills or (prefill and kin.maker is Maker.OTHER)


def converse_body(ask: Ask, model: str, notes: Notes) -> Written:
    """The body that asks `model` for this. What is ignored or mapped is in `notes`. Raises Unsupported."""
    kin = family(model)
    config = plain(ask, TABLE, notes)
    thought = thinking(ask, kin, notes)
    more = dict(thought.fields)
    _sampling(config, more, ask, kin, thought, notes)
    body = messages(ask, kin, notes)
    if said := ask.said.rstrip():
        _go_on(body["messages"], said)
    if config:
        body["inferenceConfig"] = config
    if (tools := tool_config(ask, kin, notes)) is not None:
        body["toolConfig"] = tools
    if output := _output(ask.format, thought, notes):
        body["outputConfig"] = output
    if more:
        body["additionalModelRequestFields"] = more
    if ask.stops and kin.maker is Maker.CLAUDE:
        body["additionalModelResponseFieldPaths"] = [STOP_SEQUENCE]
    if ask.service_tier in _TIERS:
        body["serviceTier"] = {"type": ask.service_tier}
    elif ask.service_tier not in (None, "auto"):
        notes.ignore("service_tier")
    return Written(msgspec.json.encode(body), strip=said != ask.said)


def _go_on(turns: list[dict[str, Any]], said: str) -> None:
    if turns[-1]["role"] == "assistant":
        turns[-1]["content"].append({"text": said})
    else:
        turns.append({"role": "assistant", "content": [{"text": said}]})


def _sampling(
    config: dict[str, Any], more: dict[str, Any], ask: Ask, kin: Family, thought: Thinking, notes: Notes
) -> None:
    if thought.on or not kin.samples:
        for field in ("temperature", "top_p", "top_k"):
            if getattr(ask, field) is not None:
                notes.ignore(field)
        return
    if ask.temperature is not None:
        config["temperature"] = min(ask.temperature, 1.0)
        if ask.temperature > 1:
            notes.map("temperature", "1")
    if ask.top_p is not None:
        if ask.temperature is not None and kin.takes_one_of_temperature_and_top_p:
            notes.ignore("top_p")
        else:
            config["topP"] = ask.top_p
    if ask.top_k is not None:
        if kin.maker is Maker.CLAUDE:
            more["top_k"] = ask.top_k
        elif kin.maker is Maker.NOVA:
            more["inferenceConfig"] = {"topK": ask.top_k}
        else:
            notes.ignore("top_k")


def _output(form: Format | None, thought: Thinking, notes: Notes) -> dict[str, Any]:
    output: dict[str, Any] = {}
    if form is not None and form.schema is None:
        notes.ignore("format")
    elif form is not None:
        schema = {"schema": msgspec.json.encode(form.schema).decode(), "name": form.name}
        if form.description:
            schema["description"] = form.description
        output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    if thought.effort is not None:
        output["effort"] = thought.effort
    return output
