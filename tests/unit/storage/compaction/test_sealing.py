"""Compaction items of ours: opened in their own project alone, and only as they were made."""

import pytest

from waystation.errors import ServiceUnavailable
from waystation.storage.compaction.sealing import PREFIX, Compactions, InvalidEncryptedContent
from waystation.wire.compaction import SEALED_CHARS_MAX

ONE, OTHER = Compactions(lambda: bytes(32)), Compactions(lambda: b"x" * 32)
SUMMARY = "Alice wants a café. 已完成首页。"
SEALED = ONE.seal("proj_a", SUMMARY)


def test_a_summary_comes_back_in_its_project_also_after_a_restart() -> None:
    assert ONE.open("proj_a", SEALED) == Compactions(lambda: bytes(32)).open("proj_a", SEALED) == SUMMARY
    assert ONE.seal("proj_a", SUMMARY) != SEALED
    assert "Alice" not in SEALED


@pytest.mark.parametrize(
    ("compactions", "project", "content"),
    [
        pytest.param(ONE, "proj_b", SEALED, id="another project's"),
        pytest.param(OTHER, "proj_a", SEALED, id="another server's"),
        pytest.param(ONE, "proj_a", SEALED[:-8] + "AAAA" + SEALED[-4:], id="damaged"),
        pytest.param(ONE, "proj_a", SEALED[:20], id="cut off"),
        pytest.param(ONE, "proj_a", PREFIX, id="empty"),
        pytest.param(ONE, "proj_a", PREFIX + "é", id="no base64"),
        pytest.param(ONE, "proj_a", "gAAAAABpM0Yj", id="a provider's"),
        pytest.param(ONE, "proj_a", PREFIX + "A" * SEALED_CHARS_MAX, id="too long"),
    ],
)
def test_nothing_else_is_opened(compactions: Compactions, project: str, content: str) -> None:
    with pytest.raises(InvalidEncryptedContent) as error:
        compactions.open(project, content)
    assert (error.value.status, error.value.code, error.value.param) == (400, "invalid_encrypted_content", "input")
    assert error.value.message.startswith("The encrypted content ")
    assert "could not be verified" in error.value.message
    assert len(error.value.message) < 300


def test_without_a_key_nothing_is_sealed_and_nobody_hears_where_it_should_be() -> None:
    def missing() -> bytes:
        raise ServiceUnavailable("/data/secret.key can't be read.")

    with pytest.raises(ServiceUnavailable) as error:
        Compactions(missing).check()
    assert "/data" not in error.value.message
    assert "/data" in error.value.detail


def test_what_a_provider_compacted_passes_and_ours_becomes_a_users_message() -> None:
    theirs = {"type": "compaction", "encrypted_content": "gAAAA"}
    ours = {"type": "compaction", "encrypted_content": SEALED}
    message = {"role": "user", "content": "Go on."}
    first, second, third = ONE.opened("proj_a", [theirs, ours, message])
    assert (first, third) == (theirs, message)
    assert second["role"] == "user"
    assert second["content"][0]["text"].endswith(SUMMARY)
