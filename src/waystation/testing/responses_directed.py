"""What the fake upstream's model `gpt-5-directed` does in the Responses API: what the conversation tells it (`directed.py`), each
turn after a thought. It keeps nothing, so a conversation has to bring its thoughts along, encrypted. Pure.

The name begins like those of OpenAI's models that reason, which alone are asked for encrypted reasoning.
"""

from typing import Any

from waystation.testing.directed import next_step

MODE = "gpt-5-directed"
THOUGHT = "What was I told?"


def encrypted(turn: int) -> str:
    """The thought before a turn of the model, as it is handed out and wanted back."""
    return f"gAAAAABturn{turn}"


def next_items(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The thought and the turn that follow a request."""
    step = next_step(list(_messages(asked)), [{"function": tool} for tool in _offered(asked)])
    thought: dict[str, Any] = {"type": "reasoning", "id": f"rs_{step.at}"}
    thought["summary"] = [{"type": "summary_text", "text": THOUGHT}]
    if "reasoning.encrypted_content" in (asked.get("include") or ()):
        thought["encrypted_content"] = encrypted(step.at)
    if step.tool is None:
        part = {"type": "output_text", "text": step.text, "annotations": [], "logprobs": []}
        said = {"type": "message", "id": f"msg_{step.at}", "role": "assistant", "content": [part]}
    else:
        call_id = f"call_{step.at + 1}"
        said = {"type": "function_call", "id": f"fc_{step.at}", "call_id": call_id, "name": step.tool}
        said["arguments"] = step.text
    return [thought, said | {"status": "completed"}]


def complaint(asked: dict[str, Any]) -> dict[str, Any] | None:
    """The error of a conversation in which a call of a tool has lost the thought that led to it, in OpenAI's words; or None."""
    thought: str | None = None
    turn = 0
    for item in _items(asked):
        if item.get("type") == "reasoning":
            thought = item.get("encrypted_content")
        elif _is_turn(item):
            if item.get("type") == "function_call" and thought != encrypted(turn):
                message = f"Item '{item.get('id')}' of type 'function_call' was provided without its required 'reasoning' item."
                return {"message": message, "type": "invalid_request_error", "param": "input", "code": None}
            thought = None
            turn += 1
    return None


def _items(asked: dict[str, Any]) -> list[dict[str, Any]]:
    given = asked.get("input")
    return [{"role": "user", "content": given}] if isinstance(given, str) else list(given or ())


def _is_turn(item: dict[str, Any]) -> bool:
    return item.get("type") == "function_call" or item.get("role") == "assistant"


def _messages(asked: dict[str, Any]) -> Any:
    """The conversation in chat completions' words, as far as the directions need it."""
    for item in _items(asked):
        if _is_turn(item):
            yield {"role": "assistant"}
        elif item.get("role") == "user":
            yield {"role": "user", "content": item.get("content")}


def _offered(asked: dict[str, Any]) -> Any:
    for tool in asked.get("tools") or ():
        yield tool
        yield from tool.get("tools") or ()  # of a namespace
