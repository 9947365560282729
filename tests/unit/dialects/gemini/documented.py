"""Answers of the Gemini API in the forms that its documentation gives, with texts of our own. Documented, not recorded.

Forms: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse,
https://ai.google.dev/gemini-api/docs/thinking, …/thought-signatures, …/function-calling and
https://ai.google.dev/gemini-api/docs/troubleshooting, read on 2026-11-24.
"""

import json
from typing import Any

USAGE = {
    "promptTokenCount": 20,
    "candidatesTokenCount": 5,
    "totalTokenCount": 55,
    "thoughtsTokenCount": 30,
    "cachedContentTokenCount": 8,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 18}, {"modality": "AUDIO", "tokenCount": 2}],
}

WHOLE = {
    "candidates": [
        {
            "content": {
                "parts": [
                    {"text": "The user greets.", "thought": True},
                    {"text": "Hello there.", "thoughtSignature": "c2lnbmVk"},
                ],
                "role": "model",
            },
            "finishReason": "STOP",
            "index": 0,
            "avgLogprobs": -0.1,
        }
    ],
    "usageMetadata": USAGE,
    "modelVersion": "gemini-3.5-flash",
    "responseId": "abc123",
}

CALLS = {
    "candidates": [
        {
            "content": {
                "parts": [
                    {
                        "functionCall": {"name": "weather", "args": {"city": "Zürich"}, "id": "fc-1"},
                        "thoughtSignature": "c2lnbmVk",
                    },
                    {"functionCall": {"name": "now"}},
                ],
                "role": "model",
            },
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13},
    "modelVersion": "gemini-3.5-flash",
    "responseId": "abc124",
}

BLOCKED = {
    "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": []},
    "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
    "modelVersion": "gemini-3.5-flash",
}


def chunk(text: str = "", *, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": index}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-3.5-flash", "responseId": "abc125", **more}


STREAM = [
    {
        "candidates": [{"content": {"parts": [{"text": "Greets.", "thought": True}], "role": "model"}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 20, "thoughtsTokenCount": 30, "totalTokenCount": 50},
        "modelVersion": "gemini-3.5-flash",
        "responseId": "abc125",
    },
    chunk("Hello ", usageMetadata={"promptTokenCount": 20, "candidatesTokenCount": 2, "totalTokenCount": 52}),
    chunk("thére.", finish="STOP", usageMetadata=USAGE),
]


def error(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


WRONG_KEY = error(
    400,
    "INVALID_ARGUMENT",
    "API key not valid. Please pass a valid API key.",
    {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    },
)
TOO_OFTEN = error(
    429,
    "RESOURCE_EXHAUSTED",
    "You exceeded your current quota, please check your plan and billing details.",
    {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "PerMinutePerProject"}]},
    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.074824224s"},
)
WRONG_COUNTRY = error(400, "FAILED_PRECONDITION", "User location is not supported for the API use.")
NO_MODEL = error(404, "NOT_FOUND", "models/nix is not found for API version v1beta")
TOO_LONG = error(
    400, "INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."
)


def sse(*chunks: dict[str, Any]) -> bytes:
    """As `streamGenerateContent?alt=sse` sends them."""
    return b"".join(b"data: " + json.dumps(each, ensure_ascii=False).encode() + b"\r\n\r\n" for each in chunks)
