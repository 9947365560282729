"""Writes what is asked as a body for Anthropic: what each model takes of it, and in which words."""

from typing import Any, NamedTuple

import msgspec

from waystation.dialects.ask import Ask, Format, Text, Tool, Turn
from waystation.dialects.messages.models import Rules, nearest_effort, rules_of
from waystation.dialects.messages.schemas import strict_schema
from waystation.dialects.messages.turns import conversation
from waystation.errors import Unsupported

BUDGET_TOKENS_MIN = 1024
_SHARES = {
    "low": 5,
    "medium": 2,
    "high": 1,
}  # a budget is so many parts of all that may be written, less what is answered
_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}


class Written(NamedTuple):
    body: dict[str, Any]
    ignored: tuple[str, ...]
    """Parameters that had no place, by the caller's names."""
    mapped: tuple[str, ...]
    """What was sent otherwise: "a>b"."""
    stripped: str
    """See `turns.Conversation`."""


def messages_body(ask: Ask, upstream_model: str, *, output_tokens_max: int, prefill: bool = False) -> Written:
    """The body of POST /v1/messages for what is asked.

    `output_tokens_max`: the model's own limit, which has to be sent where the caller has none. `prefill`: the deployment
    goes on from an assistant's message. Raises Unsupported for what can't be left out without changing the answer.
    """
    return _Writing(ask, upstream_model, output_tokens_max, prefill).written()


class _Writing:
    def __init__(self, ask: Ask, model: str, output_tokens_max: int, prefill: bool) -> None:
        _refuse(ask)
        self._ask = ask
        self._rules = rules_of(model)
        self._ignored: list[str] = [name for name, value in _without_place(ask) if value is not None]
        self._mapped: list[str] = []
        most = output_tokens_max if ask.output_tokens_max is None else min(ask.output_tokens_max, output_tokens_max)
        # A completion is a chat of one turn here.
        self._talk = conversation(ask.turns or (Turn("user", (Text(ask.prompt or ""),)),), ask.said, prefill=prefill)
        self._body: dict[str, Any] = {"model": model, "max_tokens": most, "messages": self._talk.messages}

    def written(self) -> Written:
        ask, body = self._ask, self._body
        system = list(self._talk.system)
        self._tools(system)
        self._format(system)
        self._think()
        self._sample()
        if system:
            body["system"] = system
        stops = [stop for stop in ask.stops if stop.strip()]
        if stops:
            body["stop_sequences"] = stops
        if len(stops) < len(ask.stops):  # of white space alone: Anthropic refuses those
            self._ignored.append("stop")
        if ask.end_user is not None:
            body["metadata"] = {"user_id": ask.end_user}
        if ask.service_tier is not None:
            body["service_tier"] = "auto" if ask.service_tier in ("auto", "priority") else "standard_only"
        if ask.stream:
            body["stream"] = True
        return Written(body, tuple(dict.fromkeys(self._ignored)), tuple(self._mapped), self._talk.stripped)

    def _tools(self, system: list[dict[str, Any]]) -> None:
        ask, rules = self._ask, self._rules
        if not ask.tools:
            return
        self._body["tools"] = [_tool(tool, rules) for tool in ask.tools]
        choice: dict[str, Any] = {"type": "auto"}
        wanted = ask.tool_choice
        if wanted is not None and wanted.mode in ("required", "named"):
            named = {"type": "tool", "name": wanted.name} if wanted.mode == "named" else {"type": "any"}
            if rules.forced_tools:
                choice = named
            else:  # newer models refuse to be forced: they are told
                which = f"the tool `{wanted.name}`" if wanted.mode == "named" else "one of the tools"
                system.append({"type": "text", "text": f"Answer by calling {which}."})
                self._mapped.append("tool_choice>auto")
        elif wanted is not None and wanted.mode == "none":
            choice = {"type": "none"}
        if ask.parallel_tool_calls is False and choice["type"] != "none":
            choice["disable_parallel_tool_use"] = True
        if wanted is not None or len(choice) > 1:
            self._body["tool_choice"] = choice

    def _format(self, system: list[dict[str, Any]]) -> None:
        wanted = self._ask.format
        if wanted is None:
            return
        if wanted.schema is not None and self._rules.schemas:
            schema = strict_schema(wanted.schema)
            self._body.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": schema}
            return
        system.append({"type": "text", "text": _in_words(wanted)})
        self._mapped.append("response_format>system")

    def _think(self) -> None:
        """Effort, and whether and how the model thinks. Forced tools and a prefill go with no thinking that is asked for."""
        ask, rules, body = self._ask, self._rules, self._body
        effort, budget = ask.reasoning_effort, ask.reasoning_tokens_max
        forced = body.get("tool_choice", {}).get("type") in ("any", "tool") or bool(ask.said)
        if effort == "none" or forced:
            if rules.thinks_unasked and (rules.between_tools or rules.stops_thinking):
                body["thinking"] = {"type": "between_tools" if rules.between_tools else "disabled"}
            elif rules.thinks_unasked:
                body.setdefault("output_config", {})["effort"] = "low"
                self._mapped.append("reasoning_effort>low")
            return
        if effort is None and budget is None:
            return
        asked = effort or _effort_of(budget or 0)
        if rules.efforts:
            sent = nearest_effort(asked, rules.efforts)
            body.setdefault("output_config", {})["effort"] = sent
            if effort is not None and sent != effort:
                self._mapped.append(f"reasoning_effort>{sent}")
        if rules.adaptive:
            body["thinking"] = {"type": "adaptive"}
        elif rules.budgets:
            self._budget(asked, budget)
        elif not rules.efforts:
            self._ignored.append("reasoning_effort")

    def _budget(self, effort: str, asked: int | None) -> None:
        """A budget is less than all that may be written, and 1024 at least: else the model does not think."""
        most = self._body["max_tokens"]
        budget = min(asked or most // 2 // _SHARES.get(effort, 1 if effort in ("xhigh", "max") else 5), most - 1)
        if min(max(budget, BUDGET_TOKENS_MIN), most - 1) < BUDGET_TOKENS_MIN:
            self._ignored.append("reasoning_effort")
            return
        self._body["thinking"] = {"type": "enabled", "budget_tokens": max(budget, BUDGET_TOKENS_MIN)}

    def _sample(self) -> None:
        ask, rules, body = self._ask, self._rules, self._body
        asked = {"temperature": ask.temperature, "top_p": ask.top_p, "top_k": ask.top_k}
        given = {name: value for name, value in asked.items() if value is not None}
        thinks = body.get("thinking", {}).get("type") in ("enabled", "adaptive")
        if not rules.sampling or thinks:  # a model that thinks samples as it does
            self._ignored += given
            return
        if rules.one_of_sampling and "temperature" in given and "top_p" in given:
            del given["top_p"]
            self._ignored.append("top_p")
        if given.get("temperature", 0) > 1:  # OpenAI's go up to 2
            given["temperature"] = 1
            self._mapped.append("temperature>1")
        body |= given


def _refuse(ask: Ask) -> None:
    if ask.choices > 1:
        raise Unsupported("The models of this provider give one choice. Ask without n, or once for each.", param="n")
    if ask.logprobs is not None:
        raise Unsupported("The models of this provider don't tell log probabilities. Ask without.", param="logprobs")
    if any(tool.custom for tool in ask.tools):
        raise Unsupported("The models of this provider call functions only. Describe the tool as one.", param="tools")


def _without_place(ask: Ask) -> list[tuple[str, Any]]:
    return [
        ("seed", ask.seed),
        ("frequency_penalty", ask.frequency_penalty or None),
        ("presence_penalty", ask.presence_penalty or None),
        ("logit_bias", ask.logit_bias or None),
        ("verbosity", ask.verbosity),
        ("metadata", ask.metadata),
        *ask.extra.items(),
    ]


def _tool(tool: Tool, rules: Rules) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name, "input_schema": tool.schema or _NO_ARGUMENTS}
    if tool.description:
        written["description"] = tool.description
    if tool.strict and rules.schemas:
        written["strict"] = True
        written["input_schema"] = strict_schema(written["input_schema"])
    elif "type" not in written["input_schema"]:
        written["input_schema"] = {"type": "object", **written["input_schema"]}
    return written


def _effort_of(budget: int) -> str:
    """What a budget for thinking is as an effort."""
    return "low" if budget <= 4096 else "medium" if budget <= 16_384 else "high"


def _in_words(wanted: Format) -> str:
    if wanted.schema is None:
        return "Answer with one JSON object and nothing else: no words before or after it, no code fence."
    schema = msgspec.json.encode(wanted.schema).decode()
    return f"Answer with JSON of this schema and nothing else: no words before or after it, no code fence.\n{schema}"
