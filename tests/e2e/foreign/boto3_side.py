"""What boto3 says of our requests, framing and signatures. Run in its own environment; JSON in and out. Knows nothing of us."""

import base64
import datetime
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import boto3
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EventStreamError
from botocore.model import Shape
from botocore.session import get_session
from botocore.validate import ParamValidator

SERVICE = get_session().get_service_model("bedrock-runtime")
OPERATIONS = {False: "Converse", True: "ConverseStream"}


class Stub(BaseHTTPRequestHandler):
    """Answers with what it is given, and keeps what it was asked."""

    replies: ClassVar[list[tuple[int, dict[str, str], bytes]]] = []
    seen: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append({"path": self.path, "authorization": self.headers["authorization"], "body": json.loads(body)})
        status, headers, data = self.replies.pop(0)
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        pass


def as_given(value: Any, shape: Shape) -> Any:
    """What a caller of boto3 would give for this JSON: bytes where it has base64. Raises on a value outside an enumeration."""
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        return {name: as_given(each, shape.members[name]) for name, each in value.items()}
    if shape.type_name == "list":
        return [as_given(each, shape.member) for each in value]
    if getattr(shape, "enum", None) and value not in shape.enum:
        raise ValueError(f"{value!r} is none of {shape.enum}")
    return value


def given(question: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a call for a body. Raises on a member that its model does not have, or one of a wrong type."""
    shape = SERVICE.operation_model(OPERATIONS[question["stream"]]).input_shape
    parameters = as_given(question["body"], shape) | {"modelId": question["model"]}
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        raise ValueError(report.generate_report())
    return parameters


def ask(question: dict[str, Any]) -> dict[str, Any]:
    """What its client sends for the same question, and how it understands the reply."""
    Stub.replies.append((question["status"], question["headers"], base64.b64decode(question["reply"])))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    told: dict[str, Any] = {"events": []}
    try:
        if question["stream"]:
            for event in client.converse_stream(**given(question))["stream"]:
                told["events"].append(event)
        else:
            answer = client.converse(**given(question))
            told["answer"] = {name: answer[name] for name in ("output", "stopReason", "usage")}
    except EventStreamError as error:
        told["failed"] = error.response["Error"]
    except ClientError as error:
        told["failed"] = error.response["Error"]
    server.shutdown()
    told["sent"] = Stub.seen.pop()
    return told


def sign(requests: list[dict[str, Any]]) -> list[str]:
    """The Authorization header that its signer makes for each request."""
    made = []
    for each in requests:
        at = datetime.datetime.fromtimestamp(each["now_s"], datetime.timezone.utc)  # noqa: UP017
        botocore.auth.get_current_datetime = lambda at=at: at
        signer = botocore.auth.SigV4Auth(Credentials(*each["keys"]), each["service"], each["region"])
        request = AWSRequest(each["method"], each["url"], dict(each["headers"]), base64.b64decode(each["body"]))
        signer.add_auth(request)
        made.append(request.headers["Authorization"])
    return made


def plain(value: Any) -> Any:
    """Bytes as JSON has them."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def main() -> None:
    verb, question = json.load(sys.stdin)
    told = {"ask": ask, "sign": sign}[verb](question)
    json.dump(told, sys.stdout, default=plain)


main()
