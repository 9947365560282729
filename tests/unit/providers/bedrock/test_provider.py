"""Bedrock over a real socket: what goes out, what comes back, whose fault a refusal is."""

import json
from functools import partial
from typing import Any

import pytest

from tests.unit.dialects.asks import hello, text_in
from tests.unit.dialects.converse.documented import WHOLE, short, stream
from tests.unit.providers.stand_foreign import KEY, NOW_S, answer, body_of, call, credential, head_of, target, told
from waystation.dialects.ask import Ask, Image, Turn
from waystation.dialects.saying import Saying, Used
from waystation.errors import (
    ApiError,
    InvalidRequest,
    RateLimitExceeded,
    UpstreamFailed,
    UpstreamTimeout,
)
from waystation.providers.bedrock.provider import Bedrock, path_of
from waystation.providers.model import ProviderConfig
from waystation.terms import Blame
from waystation.testing.eventstream import event, exception

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PAIR = "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY:session-token"
STREAM = "application/vnd.amazon.eventstream"


def make(config: ProviderConfig, http: Any, **more: Any) -> Bedrock:
    return Bedrock(config, http, now_s=lambda: NOW_S, **more)


def asked(reply: bytes, ask: Ask | None = None, model: str = MODEL, **more: Any) -> tuple[list[Saying], bytes]:
    return told(make, ask or hello(), model, [reply], **more)


def test_a_whole_answer_is_asked_for_with_our_key() -> None:
    sayings, request = asked(answer(WHOLE))
    path, headers = head_of(request)
    assert path == "/base/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body_of(request) == {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    assert text_in(sayings) == "Hello there."


def test_a_stream_is_asked_for_and_signed() -> None:
    sayings, request = asked(answer(stream(), 200, STREAM), hello(stream=True), secret=PAIR, region="eu-west-1")
    path, headers = head_of(request)
    assert path.endswith("/converse-stream")
    assert headers["accept"] == STREAM
    assert headers["x-amz-security-token"] == "session-token"
    assert headers["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20250615/eu-west-1/bedrock/aws4_request, "
        "SignedHeaders=accept;content-type;host;x-amz-date;x-amz-security-token, Signature="
    )
    assert text_in(sayings) == "Hello thére."
    assert isinstance(sayings[-1], Used)


@pytest.mark.parametrize(
    ("config", "host", "region"),
    [
        ({}, "bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ({"region": "eu-west-1"}, "bedrock-runtime.eu-west-1.amazonaws.com", "eu-west-1"),
        ({"base_url": "https://bedrock-runtime-fips.us-west-2.amazonaws.com"}, None, "us-west-2"),
        ({"base_url": "https://vpce-1.bedrock-runtime.ap-south-1.vpce.amazonaws.com"}, None, "ap-south-1"),
        ({"base_url": "https://proxy.example.com", "region": "eu-west-3"}, "proxy.example.com", "eu-west-3"),
    ],
    ids=["default", "region", "fips", "endpoint", "proxy"],
)
def test_the_region_is_given_or_in_the_url(config: dict[str, Any], host: str | None, region: str) -> None:
    bedrock = make(ProviderConfig(name="there", kind="bedrock", **config), None)
    assert bedrock._scope.region == region
    assert host is None or bedrock._line.origin.host == host


def test_an_arn_is_one_step_of_the_path() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-2-lite-v1:0"
    assert path_of(arn, stream=False).count("/") == 3


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
def test_an_answer_goes_on_where_it_was(streams: bool) -> None:
    def said(*texts: str) -> bytes:
        if not streams:
            content = [{"text": text} for text in texts]
            return answer(WHOLE | {"output": {"message": {"content": content}}, "stopReason": "end_turn"})
        deltas = [event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}) for text in texts]
        return answer(
            b"".join(deltas) + short("end_turn")[len(event("messageStart", {"role": "assistant"})) :], 200, STREAM
        )

    sayings, request = asked(said("  \n", " upon", " a time"), hello(stream=streams, said="Once "))
    assert body_of(request)["messages"][-1] == {"role": "assistant", "content": [{"text": "Once"}]}
    assert text_in(sayings).startswith("upon a time")
    sayings, _ = asked(said(" upon"), hello(stream=streams, said="Once"))
    assert text_in(sayings).startswith(" upon")


def test_an_answer_that_has_begun_is_left_to_others_by_models_that_refuse_it() -> None:
    with pytest.raises(UpstreamFailed) as caught:
        asked(answer(WHOLE), hello(said="Once "), "anthropic.claude-opus-5")
    assert caught.value.blame is Blame.MODEL


REFUSALS: list[tuple[int, str, str, type[ApiError], Blame]] = [
    (400, "ValidationException", "Malformed input.", InvalidRequest, Blame.CALLER),
    (400, "ValidationException", "The provided model identifier is invalid.", InvalidRequest, Blame.MODEL),
    (403, "AccessDeniedException", "You don't have access to the model.", InvalidRequest, Blame.MODEL),
    (403, "AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized", UpstreamFailed, Blame.CREDENTIAL),
    (403, "UnrecognizedClientException", "The security token is invalid.", UpstreamFailed, Blame.CREDENTIAL),
    (403, "ExpiredTokenException", "Expired.", UpstreamFailed, Blame.CREDENTIAL),
    (404, "ResourceNotFoundException", "No such model.", InvalidRequest, Blame.MODEL),
    (408, "ModelTimeoutException", "Late.", UpstreamTimeout, Blame.DEPLOYMENT),
    (424, "ModelErrorException", "Oh.", UpstreamFailed, Blame.DEPLOYMENT),
    (429, "ThrottlingException", "Too many tokens, please wait.", RateLimitExceeded, Blame.LIMIT),
    (429, "ModelNotReadyException", "Loading.", UpstreamFailed, Blame.DEPLOYMENT),
    (400, "ServiceQuotaExceededException", "Too much.", RateLimitExceeded, Blame.LIMIT),
    (500, "InternalServerException", "Oh.", UpstreamFailed, Blame.DEPLOYMENT),
    (503, "ServiceUnavailableException", "Later.", UpstreamFailed, Blame.DEPLOYMENT),
]


@pytest.mark.parametrize(("status", "name", "words", "kind", "blame"), REFUSALS, ids=str)
def test_each_refusal_has_its_blame(status: int, name: str, words: str, kind: type[ApiError], blame: Blame) -> None:
    with pytest.raises(kind) as caught:
        asked(
            answer({"message": words}, status, "application/json", f"x-amzn-ErrorType: {name}:http://x/"), secret=PAIR
        )
    assert caught.value.blame is blame
    for part in PAIR.split(":"):
        assert part not in f"{caught.value.message} {caught.value.detail}"


@pytest.mark.parametrize(
    ("name", "kind", "blame"),
    [
        ("throttlingException", RateLimitExceeded, Blame.LIMIT),
        ("modelStreamErrorException", UpstreamFailed, Blame.DEPLOYMENT),
        ("internalServerException", UpstreamFailed, Blame.DEPLOYMENT),
        ("serviceUnavailableException", UpstreamFailed, Blame.DEPLOYMENT),
        ("modelTimeoutException", UpstreamTimeout, Blame.DEPLOYMENT),
        ("validationException", InvalidRequest, Blame.CALLER),
        ("aNewException", UpstreamFailed, Blame.DEPLOYMENT),
    ],
)
def test_each_exception_in_a_stream_has_its_blame(name: str, kind: type[ApiError], blame: Blame) -> None:
    reply = answer(stream(exception(name, {"message": "Oh."}), events=6), 200, STREAM)
    with pytest.raises(kind) as caught:
        asked(reply, hello(stream=True))
    assert caught.value.blame is blame


def test_a_prompt_that_is_too_long_has_openais_code_and_no_arn_goes_out() -> None:
    words = "Input is too long for requested model arn:aws:bedrock:us-east-1:123456789012:inference-profile/x"
    with pytest.raises(InvalidRequest) as caught:
        asked(answer({"message": words}, 400, "application/json", "x-amzn-ErrorType: ValidationException"))
    assert caught.value.code == "context_length_exceeded"
    assert "123456789012" not in caught.value.message + caught.value.detail


@pytest.mark.parametrize(
    "data", [b"", stream(events=6), b"\x00" * 64, stream()[:-200]], ids=["empty", "half", "zeros", "cut"]
)
def test_nonsense_blames_the_deployment(data: bytes) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        asked(answer(data, 200, STREAM), hello(stream=True))
    assert caught.value.blame is Blame.DEPLOYMENT


def test_a_credential_that_is_none_is_found_when_it_is_configured_or_used() -> None:
    wrong = credential("{")
    with pytest.raises(ValueError, match="credential of Bedrock"):
        make(ProviderConfig(name="there", kind="bedrock", credentials=(wrong,)), None)
    bedrock = make(ProviderConfig(name="there", kind="bedrock"), None)
    with pytest.raises(UpstreamFailed) as caught:
        bedrock._known(target(MODEL, wrong))
    assert caught.value.blame is Blame.CREDENTIAL


def test_files_by_url_are_brought() -> None:
    async def fetch(url: str) -> tuple[str, bytes]:
        return "image/png", b"picture"

    turns = (Turn("user", (Image(url="https://example.com/a.png"), Image(url="s3://b/a.png"))),)
    _, request = told(partial(make, fetch=fetch), hello(turns=turns), MODEL, [answer(WHOLE)])
    content = json.dumps(body_of(request)["messages"][0]["content"])
    assert "cGljdHVyZQ==" in content
    assert "s3://b/a.png" in content


def test_what_is_ignored_is_named() -> None:
    made = call()
    asked(answer(WHOLE), hello(seed=1, extra={"odd": 1}), made_call=made)
    assert made.ignored == ("seed", "odd")


def test_a_call_as_it_came_is_not_taken() -> None:
    with pytest.raises(UpstreamFailed):
        make(ProviderConfig(name="there", kind="bedrock"), None).send(call(), target(MODEL, credential()))
