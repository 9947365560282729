"""What the fake upstream answers to POST /responses, whole and as a stream, in OpenAI's words. The model's name picks the story.

Shapes: OpenAI's description of the API, August 2026. `script.py` sends requests here.
"""

from typing import Any

import msgspec

from waystation.testing.directed import pieces
from waystation.testing.responses_directed import MODE, next_items

RESPONSE_WORDS = ("Once ", "upon ", "a ", "time.")
TEXT = "".join(RESPONSE_WORDS)
SUMMARY = "Thinking of a story."
ENCRYPTED = "gAAAAABencrypted"
INPUT_TOKENS = 12
REASONING_TOKENS = 5
_RESPONSE_ID, _TIME = "resp_upstream1", 1_764_000_000

STORIES = (
    "plain",
    "reasoning",
    "tools",
    "web-search",
    "code",
    "incomplete",
    "failed",
    "failed-late",
    "error-late",
    "broken",
    "no-usage",
    "rate-limited",
    MODE,
)


def response_events(model: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of the story that the model is called by, "plain" where it is none; each with its sequence_number."""
    events: list[dict[str, Any]] = []
    head = _response(model, asked, "in_progress")
    events.append({"type": "response.created", "response": head})
    events.append({"type": "response.in_progress", "response": head})
    output = _items(model, asked)
    for index, item in enumerate(output):
        if model == "failed" or (model == "failed-late" and index):
            break
        events += _item_events(index, item)
    if model == "error-late":
        events.append({"type": "error", "code": "server_error", "message": "It broke.", "param": None})
    elif model != "broken":
        last = response_object(model, asked)
        events.append({"type": f"response.{last['status']}", "response": last})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def response_object(model: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The whole answer."""
    if model in ("failed", "failed-late", "rate-limited"):
        code = "rate_limit_exceeded" if model == "rate-limited" else "server_error"
        return _response(model, asked, "failed") | {"error": {"code": code, "message": "It broke."}}
    output = _items(model, asked)
    last = _response(model, asked, "completed") | {"output": output, "completed_at": _TIME + 1}
    if model == "incomplete":
        last |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    if model != "no-usage":
        reasons = REASONING_TOKENS if model == "reasoning" else 0
        made = len(RESPONSE_WORDS) + reasons
        last["usage"] = {
            "input_tokens": INPUT_TOKENS,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": reasons},
            "total_tokens": INPUT_TOKENS + made,
        }
    return last


def stream_of(events: list[dict[str, Any]]) -> list[bytes]:
    return [b"event: %b\ndata: %b\n\n" % (each["type"].encode(), msgspec.json.encode(each)) for each in events]


def _response(model: str, asked: dict[str, Any], status: str) -> dict[str, Any]:
    return {
        "id": _RESPONSE_ID,
        "object": "response",
        "created_at": _TIME,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "max_output_tokens": asked.get("max_output_tokens"),
        "max_tool_calls": asked.get("max_tool_calls"),
        "model": f"{model}-2026-08-07",
        "output": [],
        "parallel_tool_calls": asked.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": asked.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": asked.get("store", True),
        "temperature": asked.get("temperature", 1.0),
        "text": asked.get("text") or {"format": {"type": "text"}},
        "tool_choice": asked.get("tool_choice", "auto"),
        "tools": asked.get("tools", []),
        "top_p": asked.get("top_p", 1.0),
        "truncation": asked.get("truncation", "disabled"),
        "usage": None,
        "metadata": asked.get("metadata") or {},
    }


def _items(model: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    if model == MODE:
        return next_items(asked)
    if model == "tools" and not _has_output(asked):
        call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "status": "completed"}
        return [call | {"arguments": '{"city":"Paris"}'}]
    before: dict[str, list[dict[str, Any]]] = {
        "reasoning": [_reasoning(asked)],
        "web-search": [_search("ws_1", "search"), _search("ws_2", "open_page"), _search("ws_3", "search")],
        "code": [_code("ci_1"), _code("ci_2")],
    }
    return [*before.get(model, []), _message()]


def _has_output(asked: dict[str, Any]) -> bool:
    given = asked.get("input")
    return isinstance(given, list) and any(item.get("type") == "function_call_output" for item in given)


def _message() -> dict[str, Any]:
    part = {"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}
    return {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}


def _reasoning(asked: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": SUMMARY}]}
    if "reasoning.encrypted_content" in (asked.get("include") or ()):
        item["encrypted_content"] = ENCRYPTED
    return item


def _search(item_id: str, action: str) -> dict[str, Any]:
    return {"type": "web_search_call", "id": item_id, "status": "completed", "action": {"type": action, "query": "tea"}}


def _code(item_id: str) -> dict[str, Any]:
    call = {"type": "code_interpreter_call", "id": item_id, "status": "completed", "container_id": "cntr_1"}
    return call | {"code": "print(1)", "outputs": None}


def _item_events(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    where = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress"}
    middle: list[dict[str, Any]] = []
    if item["type"] == "message":
        begun["content"] = []
        part, place = item["content"][0], where | {"content_index": 0}
        empty = part | {"text": ""}
        middle = [{"type": "response.content_part.added", **place, "part": empty}]
        words = RESPONSE_WORDS if part["text"] == TEXT else pieces(part["text"])
        middle += [{"type": "response.output_text.delta", **place, "delta": word, "logprobs": []} for word in words]
        middle.append({"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []})
        middle.append({"type": "response.content_part.done", **place, "part": part})
    elif item["type"] == "function_call":
        begun["arguments"] = ""
        middle = [{"type": "response.function_call_arguments.delta", **where, "delta": item["arguments"]}]
        said = {"name": item["name"], "arguments": item["arguments"]}
        middle.append({"type": "response.function_call_arguments.done", **where, **said})
    elif item["type"] == "reasoning":
        begun["summary"] = []
        place = where | {"summary_index": 0}
        text = item["summary"][0]["text"]
        middle = [{"type": "response.reasoning_summary_text.delta", **place, "delta": text}]
        middle.append({"type": "response.reasoning_summary_text.done", **place, "text": text})
    else:
        kind = item["type"]
        middle = [{"type": f"response.{kind}.{step}", **where} for step in ("in_progress", "completed")]
    added = {"type": "response.output_item.added", "output_index": index, "item": begun}
    return [added, *middle, {"type": "response.output_item.done", "output_index": index, "item": item}]
