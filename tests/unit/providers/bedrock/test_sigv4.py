"""Signatures are those that AWS documents. A property test against AWS's own signer is in tests/e2e/test_dialect_sdks_boto3.py.

The cases are of AWS's Signature Version 4 test suite (https://github.com/awslabs/aws-c-auth, tests/aws-signing-test-suite/v4, read
on 2026-11-24), all with its keys, time, region and service.
"""

import calendar

import pytest

from waystation.providers.bedrock.sigv4 import Keys, Scope, sign

KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SCOPE = Scope("us-east-1", "service")
NOW_S = calendar.timegm((2015, 8, 30, 12, 36, 0))
FORM = ("content-type", "application/x-www-form-urlencoded")


def signed(method: str, target: str, headers: list[tuple[str, str]], body: bytes, keys: Keys = KEYS) -> dict[str, str]:
    return dict(sign(method, "example.amazonaws.com", target, headers, body, keys=keys, scope=SCOPE, now_s=NOW_S))


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "names", "signature"),
    [
        (
            "GET",
            "/",
            [],
            b"",
            "host;x-amz-date",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "POST",
            "/",
            [],
            b"",
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            [],
            b"",
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "POST",
            "/",
            [FORM],
            b"Param1=value1",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
    ids=["get-vanilla", "post-vanilla", "get-vanilla-query-order-key-case", "post-x-www-form-urlencoded"],
)
def test_signatures_are_those_of_awss_suite(
    method: str, target: str, headers: list[tuple[str, str]], body: bytes, names: str, signature: str
) -> None:
    assert signed(method, target, headers, body) == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}",
    }


def test_a_sessions_token_is_sent_and_signed() -> None:
    headers = signed("POST", "/", [], b"", KEYS._replace(token="token"))
    assert headers["x-amz-security-token"] == "token"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in headers["authorization"]


def test_keys_are_not_printed() -> None:
    assert "wJalr" not in repr(KEYS)
