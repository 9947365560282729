"""AWS's own SDK (boto3, botocore) proves the Converse dialect: its model of the service takes our bodies, its client sends the same
bytes to the same path, parses the framing that our fake writes and our reader reads, and its signer makes our signatures.

Not proven, because nobody asks AWS here: which models take which fields (thinking, `outputConfig`, `strict`, cache points), that
redacted reasoning of Bedrock's is taken by Anthropic's own API or the other way round, and which errors it really sends.
"""

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.foreign_sdks import side
from tests.unit.dialects.asks import FULL, PDF, PNG, arguments_in, hello, read, split, text_in, thoughts_in, tool_loop
from tests.unit.dialects.converse.documented import EVENTS, USAGE, WHOLE, stream
from waystation.dialects.ask import Audio, Document, Format, Image, Reasoning, Text, Tool, ToolChoice, Turn
from waystation.dialects.converse.answer import ConverseStreamReader, ConverseWholeReader
from waystation.dialects.converse.request import converse_body
from waystation.dialects.mapping import Notes
from waystation.dialects.saying import CallBegun, Used
from waystation.providers.bedrock.provider import path_of
from waystation.providers.bedrock.sigv4 import Keys, Scope, sign
from waystation.testing.eventstream import exception

pytestmark = pytest.mark.slow

SDK, SCRIPT = "boto3-1.44.8", "boto3_side.py"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NEWEST = "anthropic.claude-opus-5"
NOVA = "us.amazon.nova-2-lite-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"
FRAMED = {"content-type": "application/vnd.amazon.eventstream"}

ASKS = {
    "hello": hello(),
    "full": FULL,
    "tools": hello(turns=tool_loop(thought="c2ln")),
    "hidden": hello(
        turns=(
            Turn("user", (Text("Hi"),)),
            Turn("assistant", (Reasoning(redacted="aGlkZGVu"), Text("Yes"))),
            Turn("user", (Text("So?"),)),
        )
    ),
    "files": hello(
        turns=(Turn("user", (Image(data=PNG), Document(data=PDF), Image(url="s3://bkt/a.png"), Audio("YQ==", "mp3"))),)
    ),
    "choice": hello(tools=(Tool("now"),), tool_choice=ToolChoice("required"), format=Format({"type": "object"})),
    "sampling": hello(temperature=2.0, top_p=0.5, top_k=3, stops=("END",), output_tokens_max=5, service_tier="flex"),
    "thinking": hello(reasoning_effort="high"),
    "prefill": hello(said="Once upon "),
}


def ask(body: Any, model: str, *, streams: bool, reply: bytes, status: int = 200, **headers: str) -> Any:
    question = {
        "body": body,
        "model": model,
        "stream": streams,
        "status": status,
        "headers": headers or (FRAMED if streams else {"content-type": "application/json"}),
        "reply": base64.b64encode(reply).decode(),
    }
    return side(SDK, SCRIPT, "ask", question)


@pytest.mark.parametrize("model", [CLAUDE, NEWEST, NOVA, PROFILE], ids=["claude", "newest", "nova", "profile"])
@pytest.mark.parametrize("name", ASKS)
def test_its_client_sends_what_we_send(name: str, model: str) -> None:
    ours = json.loads(converse_body(ASKS[name], model, Notes()).body)
    told = ask(ours, model, streams=True, reply=stream())
    assert told["sent"]["body"] == ours
    assert told["sent"]["path"] == path_of(model, stream=True)


def test_its_client_reads_the_stream_that_we_read() -> None:
    told = ask(json.loads(converse_body(hello(), CLAUDE, Notes()).body), CLAUDE, streams=True, reply=stream())
    assert told["events"] == [{kind: content} for kind, content in EVENTS]
    sayings = read(ConverseStreamReader(), split(stream(), range(0, 3000, 7)))
    deltas = [event["contentBlockDelta"]["delta"] for event in told["events"] if "contentBlockDelta" in event]
    assert text_in(sayings) == "".join(delta.get("text", "") for delta in deltas)
    assert thoughts_in(sayings) == "".join(delta.get("reasoningContent", {}).get("text", "") for delta in deltas)
    assert arguments_in(sayings) == "".join(delta.get("toolUse", {}).get("input", "") for delta in deltas)


def test_its_client_reads_the_whole_answer_that_we_read() -> None:
    reply = json.dumps(WHOLE).encode()
    told = ask(json.loads(converse_body(hello(), CLAUDE, Notes()).body), CLAUDE, streams=False, reply=reply)
    assert told["sent"]["path"] == path_of(CLAUDE, stream=False)
    assert told["answer"] == {name: WHOLE[name] for name in ("output", "stopReason", "usage")}
    sayings = read(ConverseWholeReader(), [reply])
    content = told["answer"]["output"]["message"]["content"]
    assert text_in(sayings) == content[2]["text"]
    begun = next(saying for saying in sayings if isinstance(saying, CallBegun))
    assert (begun.id, begun.name) == (content[3]["toolUse"]["toolUseId"], content[3]["toolUse"]["name"])
    used = sayings[-1]
    assert isinstance(used, Used)
    assert used.usage.input_tokens + used.usage.output_tokens == USAGE["totalTokens"]


def test_its_client_takes_our_exception_for_one() -> None:
    reply = stream(exception("throttlingException", {"message": "Slow down."}), events=6)
    told = ask(json.loads(converse_body(hello(), CLAUDE, Notes()).body), CLAUDE, streams=True, reply=reply)
    assert told["failed"] == {"Code": "throttlingException", "Message": "Slow down."}


def test_its_client_reads_a_refusals_name_where_we_do() -> None:
    told = ask(
        json.loads(converse_body(hello(), CLAUDE, Notes()).body),
        CLAUDE,
        streams=False,
        reply=b'{"message":"No."}',
        status=403,
        **{"x-amzn-ErrorType": "AccessDeniedException:http://internal.amazon.com/coral/com.amazon.bedrock/"},
    )
    assert told["failed"]["Code"] == "AccessDeniedException"


_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
_steps = st.lists(st.text(_WORD + ":/ +%é模", min_size=1, max_size=12), min_size=1, max_size=3)
_values = st.text(_WORD + " ;,=:/+", max_size=20).map(str.strip)
_pairs = st.dictionaries(st.text(_WORD, min_size=1, max_size=6), st.text(_WORD + "/:+ é", max_size=8), max_size=3)
_requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST"]),
        "steps": _steps,
        "query": _pairs,
        "headers": st.dictionaries(st.sampled_from(["content-type", "x-amz-meta", "accept", "x-team"]), _values),
        "body": st.binary(max_size=50),
        "secret": st.text(_WORD + "/+=", min_size=1, max_size=40),
        "token": st.none() | st.text(_WORD + "/+=", min_size=1, max_size=40),
        "region": st.sampled_from(["us-east-1", "eu-central-1"]),
        "now_s": st.integers(0, 2**32),
    }
)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_requests, min_size=100, max_size=100))
def test_its_signer_makes_our_signatures(requests: list[dict[str, Any]]) -> None:
    """400 requests of any kind: paths of ARNs, queries, headers, sessions, any bytes."""
    ours, theirs = [], []
    for each in requests:
        target = "/model/" + "/".join(quote(step, safe="") for step in each["steps"] if step not in (".", ".."))
        target += f"?{urlencode(each['query'], quote_via=quote)}" if each["query"] else ""
        keys = Keys("AKIDEXAMPLE", each["secret"], each["token"])
        host = "bedrock-runtime.example.com"
        signed = sign(
            each["method"],
            host,
            target,
            list(each["headers"].items()),
            each["body"],
            keys=keys,
            scope=Scope(each["region"], "bedrock"),
            now_s=each["now_s"],
        )
        ours.append(dict(signed)["authorization"])
        theirs.append(
            {
                "method": each["method"],
                "url": f"https://{host}{target}",
                "headers": each["headers"],
                "body": base64.b64encode(each["body"]).decode(),
                "keys": list(keys),
                "service": "bedrock",
                "region": each["region"],
                "now_s": each["now_s"],
            }
        )
    assert ours == side(SDK, SCRIPT, "sign", theirs)
