"""What a stored chat completion is, and how a stream becomes one."""

from typing import Any

import msgspec

from waystation.wire.sse import data_of

CHOICES_MAX = 128
CALLS_MAX = 1_024  # of tools, in one choice
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_chunk = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.encode

Body = dict[str, Any]


class StoredCompletion(msgspec.Struct, frozen=True):
    id: str
    project_id: str
    model: str
    metadata: dict[str, str]
    body: bytes  # JSON, without the metadata; sealed at rest
    messages: bytes  # JSON of what was sent; sealed at rest
    created_at: int
    expires_at: int


def renamed(answer: bytes, completion_id: str) -> bytes:
    """The JSON of an answer or a chunk, under another id and else as it was. Raises ValueError."""
    members: dict[str, Any] = _members.decode(answer)
    members["id"] = completion_id
    return _encode(members)


class Fold:
    """Folds the chunks of a stream into the whole answer that it would have been, with all fields that they have."""

    def __init__(self, completion_id: str) -> None:
        self._id = completion_id
        self._body: Body = {}
        self._choices: dict[int, Body] = {}
        self.failed = False  # there was an error in it: it is not kept

    def feed(self, events: list[bytes]) -> bytes:
        """Whole events; returns them as they go out, under our id."""
        return b"".join(map(self._event, events))

    def whole(self) -> Body | None:
        """None: nothing came, or not all of it."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        if self.failed or not choices or any(each["finish_reason"] is None for each in choices):
            return None
        return {"id": self._id, **self._body, "object": "chat.completion", "choices": choices}

    def _event(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data.startswith(b"{"):
            return event
        try:
            chunk = _chunk.decode(data)
            if "choices" not in chunk:
                self.failed = True
                return event
            self._fold(chunk)
            return b"data: %b\n\n" % renamed(data, self._id)
        except (ValueError, TypeError, AttributeError, KeyError):  # not as OpenAI's: it goes out, it is not kept
            self.failed = True
            return event

    def _fold(self, chunk: Body) -> None:
        for name, value in chunk.items():
            if name not in ("id", "object", "choices", "waystation") and value is not None:
                self._body[name] = value
        for choice in chunk["choices"]:
            index = choice.get("index", 0)
            if len(self._choices) >= CHOICES_MAX and index not in self._choices:
                raise ValueError("too many choices")
            kept = self._choices.setdefault(
                index,
                {
                    "index": index,
                    "message": {"role": "assistant", "content": None, "refusal": None},
                    "logprobs": None,
                    "finish_reason": None,
                },
            )
            _add(kept["message"], choice.get("delta") or {})
            kept["finish_reason"] = choice.get("finish_reason") or kept["finish_reason"]
            if choice.get("logprobs"):
                kept["logprobs"] = kept["logprobs"] or {"content": None, "refusal": None}
                _add(kept["logprobs"], choice["logprobs"])


def _add(kept: Body, delta: Body) -> None:
    """Add what a chunk says to what is known: texts grow, lists too, calls of tools by their index."""
    for name, value in delta.items():
        before = kept.get(name)
        if value is None or name == "role":
            continue
        if name == "tool_calls":
            kept[name] = before or []
            for call in value:
                _add_call(kept[name], call)
        elif isinstance(before, str) and isinstance(value, str):
            kept[name] = before + value
        elif isinstance(before, list) and isinstance(value, list):
            before.extend(value)
        elif isinstance(before, dict) and isinstance(value, dict):
            _add(before, value)
        else:
            kept[name] = value


def _add_call(calls: list[Body], call: Body) -> None:
    index = call.get("index", len(calls))
    if not 0 <= index < CALLS_MAX:
        raise ValueError("too many calls")
    while len(calls) <= index:
        calls.append({})
    kept = calls[index]
    for name in ("id", "type"):  # some repeat them in every chunk
        if call.get(name):
            kept[name] = call[name]
    for name in ("function", "custom"):
        said = call.get(name)
        if said:
            part = kept.setdefault(name, {})
            if said.get("name"):
                part["name"] = said["name"]
            text = "arguments" if name == "function" else "input"
            part[text] = part.get(text, "") + (said.get(text) or "")


def stored_body(answer: Body, asked: Body, request_id: str) -> bytes:
    """The completion as OpenAI shows a stored one: with what was asked, as far as it says that. `asked`: the body sent."""
    made = {
        "id": answer["id"],
        "object": "chat.completion",
        "created": answer.get("created"),
        "model": answer.get("model"),
        "request_id": request_id,
        "choices": answer["choices"],
        "usage": answer.get("usage"),
        "tool_choice": asked.get("tool_choice"),
        "tools": asked.get("tools"),
        "response_format": asked.get("response_format"),
        "seed": asked.get("seed"),
        "temperature": _or(asked.get("temperature"), 1.0),
        "top_p": _or(asked.get("top_p"), 1.0),
        "presence_penalty": _or(asked.get("presence_penalty"), 0.0),
        "frequency_penalty": _or(asked.get("frequency_penalty"), 0.0),
        "input_user": asked.get("user"),
        "service_tier": answer.get("service_tier") or "default",
    }
    return _encode({**answer, **made})


def _or(value: Any, default: float) -> Any:
    return default if value is None else value


def shown_messages(completion_id: str, messages: list[Body]) -> list[Body]:
    """The messages that were sent, as OpenAI lists them: numbered, parts apart from texts."""
    made = []
    for at, message in enumerate(messages):
        content = message.get("content")
        parts = content if isinstance(content, list) else None
        made.append(
            {
                **message,
                "id": f"{completion_id}-{at}",
                "content": None if parts is not None else content,
                "name": message.get("name"),
                "refusal": message.get("refusal"),
                "content_parts": parts,
            }
        )
    return made
