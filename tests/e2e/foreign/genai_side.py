"""What google-genai says of our requests and answers. Run in its own environment; JSON in and out. Knows nothing of us."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from google import genai
from google.genai import types

PARTS = {
    "contents": lambda value: [types.Content.model_validate(each) for each in value],
    "generationConfig": types.GenerationConfig.model_validate,
    "serviceTier": types.ServiceTier,
    "systemInstruction": types.Content.model_validate,
    "toolConfig": types.ToolConfig.model_validate,
    "tools": lambda value: [types.Tool.model_validate(each) for each in value],
}


class Stub(BaseHTTPRequestHandler):
    """Answers with what it is given, and keeps what it was asked."""

    replies: ClassVar[list[tuple[int, str, bytes]]] = []
    seen: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        key = self.headers.get("x-goog-api-key")
        self.seen.append({"path": self.path, "key": key, "body": json.loads(body)})
        status, kind, data = self.replies.pop(0)
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        pass


def check(bodies: list[dict[str, Any]]) -> list[str]:
    """Which types each body's members have. Raises where one has none: its types forbid unknown members."""
    for body in bodies:
        for name, value in body.items():
            PARTS[name](value)
    return sorted({name for body in bodies for name in body})


def made() -> list[dict[str, Any]]:
    """Answers that its own types make, each with what it says of them itself."""
    text = types.Part(text="Hello thére.")
    thought = types.Part(text="Hm.", thought=True)
    call = types.Part(
        function_call=types.FunctionCall(name="weather", args={"city": "Oslo"}, id="1"), thought_signature=b"s"
    )
    usage = types.GenerateContentResponseUsageMetadata(
        prompt_token_count=9, candidates_token_count=5, thoughts_token_count=3, cached_content_token_count=4
    )
    answers = []
    for parts, reason in [
        ([thought, text], types.FinishReason.STOP),
        ([call], types.FinishReason.STOP),
        ([text], types.FinishReason.MAX_TOKENS),
        ([], types.FinishReason.SAFETY),
    ]:
        candidate = types.Candidate(content=types.Content(parts=parts, role="model"), finish_reason=reason, index=0)
        answers.append(
            types.GenerateContentResponse(
                candidates=[candidate], usage_metadata=usage, model_version="gemini-x", response_id="r"
            )
        )
    return [
        {
            "json": answer.model_dump_json(by_alias=True, exclude_none=True),
            "text": answer.text,
            "calls": [[call.name, call.args] for call in answer.function_calls or []],
        }
        for answer in answers
    ]


def client() -> tuple[genai.Client, ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = types.HttpOptions(base_url=f"http://127.0.0.1:{server.server_port}", api_version="v1beta")
    return genai.Client(api_key="key-1", vertexai=False, http_options=options), server


def ask(question: dict[str, Any]) -> dict[str, Any]:
    """What its client sends for a question, and how it understands the reply."""
    Stub.replies.append((question["status"], question["kind"], question["reply"].encode()))
    its, server = client()
    asked = {
        "model": question["model"],
        "contents": [types.Content.model_validate(each) for each in question["contents"]],
        "config": types.GenerateContentConfig.model_validate(question["config"]),
    }
    answers = (
        list(its.models.generate_content_stream(**asked))
        if question["stream"]
        else [its.models.generate_content(**asked)]
    )
    server.shutdown()
    parts = [part for answer in answers for part in (answer.parts or [])]
    last = answers[-1]
    used = last.usage_metadata.model_dump(exclude_none=True) if last.usage_metadata else None
    return {
        "sent": Stub.seen.pop(),
        "text": "".join(part.text for part in parts if part.text and not part.thought),
        "thoughts": "".join(part.text for part in parts if part.text and part.thought),
        "calls": [[part.function_call.name, part.function_call.args] for part in parts if part.function_call],
        "used": {name: count for name, count in (used or {}).items() if isinstance(count, int)},
    }


def main() -> None:
    verb, given = json.load(sys.stdin)
    told = {"check": check, "made": lambda _: made(), "ask": ask}[verb](given)
    json.dump(told, sys.stdout)


main()
