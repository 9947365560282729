"""Answers of Bedrock's Converse API in the forms that its documentation gives, with texts of our own. Documented, not recorded.

Forms: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, …/API_runtime_ConverseStream.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html, read on 2026-11-24.
"""

from typing import Any

from waystation.testing.eventstream import event

USAGE = {
    "inputTokens": 10,
    "outputTokens": 7,
    "totalTokens": 47,
    "cacheReadInputTokens": 20,
    "cacheWriteInputTokens": 10,
}

WHOLE = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "They greet.", "signature": "c2lnbmVk"}}},
                {"reasoningContent": {"redactedContent": "aGlkZGVu"}},
                {"text": "Hello there."},
                {"toolUse": {"toolUseId": "tooluse_1", "name": "weather", "input": {"city": "Zürich"}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": USAGE,
    "metrics": {"latencyMs": 900},
}

EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "They greet."}}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2lnbmVk"}}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "Hello "}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "thére."}}),
    ("contentBlockStop", {"contentBlockIndex": 1}),
    (
        "contentBlockStart",
        {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "tooluse_1", "name": "weather"}}},
    ),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"city":'}}}),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '"Zürich"}'}}}),
    ("contentBlockStop", {"contentBlockIndex": 2}),
    ("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "tooluse_2", "name": "now"}}}),
    ("contentBlockStop", {"contentBlockIndex": 3}),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 900}, "serviceTier": {"type": "flex"}}),
]


def stream(*more: bytes, events: int = len(EVENTS)) -> bytes:
    """The first events of a stream, as they are sent, and what comes after them."""
    return b"".join(event(kind, content) for kind, content in EVENTS[:events]) + b"".join(more)


def short(stop: str, **more: Any) -> bytes:
    """A stream of one word that ends so."""
    return b"".join(
        (
            event("messageStart", {"role": "assistant"}),
            event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}}),
            event("contentBlockStop", {"contentBlockIndex": 0}),
            event("messageStop", {"stopReason": stop, **more}),
            event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}),
        )
    )
