"""The items of a response's output while they grow, and the ids that they have.

The id of an item is made of the response's and of its place, so that who goes on with an answer gives the same ones.
"""

from typing import Any, Literal

import msgspec

from waystation.dialects.responses.thoughts import sealed

Status = Literal["in_progress", "completed", "incomplete"]
_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}


def item_id(kind: str, response_id: str, output_index: int) -> str:
    return f"{_PREFIXES[kind]}_{response_id.rpartition('_')[2]}{output_index:02x}"


class PartBody(msgspec.Struct):
    """A part of a message: its text, or that the model declines."""

    kind: Literal["output_text", "refusal"]
    texts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def body(self) -> dict[str, Any]:
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": self.text}
        return {"type": "output_text", "text": self.text, "annotations": [], "logprobs": []}


class MessageItem(msgspec.Struct):
    id: str
    index: int
    parts: list[PartBody] = []

    def body(self, status: Status) -> dict[str, Any]:
        content = [] if status == "in_progress" else [part.body() for part in self.parts]
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}


class CallItem(msgspec.Struct):
    id: str
    index: int
    call_id: str
    name: str
    custom: bool
    namespace: str | None = None
    arguments: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.arguments)

    def body(self, status: Status) -> dict[str, Any]:
        """A custom tool's call has no status in OpenAI's description, but its answers have one."""
        kind = "custom_tool_call" if self.custom else "function_call"
        text = "" if status == "in_progress" else self.text
        item = {"id": self.id, "type": kind, "status": status, "call_id": self.call_id, "name": self.name}
        if self.namespace is not None:
            item["namespace"] = self.namespace
        return item | {"input" if self.custom else "arguments": text}


class ThoughtItem(msgspec.Struct):
    """A reasoning item. `shown`: its text goes out as its summary."""

    id: str
    index: int
    shown: bool
    seal: bool  # the caller asked for `encrypted_content`
    texts: list[str] = []
    signature: str | None = None
    redacted: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def body(self, status: Status) -> dict[str, Any]:
        """What a provider has signed or hidden goes out unasked: it has to come back with the next turn."""
        item: dict[str, Any] = {"id": self.id, "type": "reasoning", "summary": []}
        if status == "in_progress":
            return item
        if self.shown and self.texts:
            item["summary"] = [{"type": "summary_text", "text": self.text}]
        if self.seal or self.signature is not None or self.redacted is not None:
            item["encrypted_content"] = sealed(self.text, self.signature, self.redacted)
        return item
