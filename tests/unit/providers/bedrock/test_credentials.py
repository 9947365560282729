"""What a credential of Bedrock's may look like, and that nothing of one is told."""

import json

import pytest

from waystation.providers.bedrock.credentials import read_secret
from waystation.providers.bedrock.sigv4 import Keys
from waystation.terms import Secret

ACCESS, KEY, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "FwoGZXIvYXdzEBYaD//="


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (f"{ACCESS}:{KEY}", Keys(ACCESS, KEY)),
        (f" {ACCESS}:{KEY}:{TOKEN}\n", Keys(ACCESS, KEY, TOKEN)),
        (json.dumps({"access_key_id": ACCESS, "secret_access_key": KEY}), Keys(ACCESS, KEY)),
        (
            json.dumps({"AccessKeyId": ACCESS, "SecretAccessKey": KEY, "SessionToken": TOKEN, "Version": 1}),
            Keys(ACCESS, KEY, TOKEN),
        ),
        ("ABSKQmVkcm9ja0FQSUtleS1hYmM=", "ABSKQmVkcm9ja0FQSUtleS1hYmM="),
    ],
    ids=["pair", "session", "json", "aws", "bearer"],
)
def test_a_credential_is_read(text: str, meant: Keys | str) -> None:
    assert read_secret(Secret(text)) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        f"{ACCESS}:",
        f":{KEY}",
        "{",
        "{}",
        '{"access_key_id": 1, "secret_access_key": 2}',
        "a key\r\nwith: lines",
    ],
    ids=["empty", "short", "secret", "access", "broken", "nothing", "numbers", "lines"],
)
def test_what_is_none_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(ValueError, match="credential of Bedrock") as caught:
        read_secret(Secret(text))
    assert len(text) < 6 or text[:12] not in str(caught.value)
