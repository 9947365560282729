"""How a conversation is told to who summarises it, and what of it stays."""

from typing import Any

import pytest

from waystation.storage.compaction.words import as_message, asked, is_kept, language_of

ITEMS: list[dict[str, Any]] = [
    {"role": "developer", "content": "Use metric units."},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How warm?"}]},
    {"type": "reasoning", "summary": [], "encrypted_content": "ws1.secret"},
    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Paris"}'},
    {"type": "function_call_output", "call_id": "c1", "output": "21 degrees"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "Paris"}},
    {"role": "assistant", "content": [{"type": "output_text", "text": "21."}, {"type": "refusal", "refusal": "No."}]},
    {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
    {"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": "AAAA"}]},
    {"type": "compaction", "encrypted_content": "gAAAA"},
]


def test_everything_that_can_be_read_is_told_in_order() -> None:
    instructions, told = asked(ITEMS, "Be brief.")
    assert instructions.startswith("You are given a conversation")
    parts = [
        "Be brief.",
        "[developer]\nUse metric units.",
        "[user]\nHow warm?",
        '[assistant calls weather, c1]\n{"city":"Paris"}',
        "[output of c1]\n21 degrees",
        '[web_search_call]\n{"action":{"query":"Paris"}}',
        "[assistant]\n21.\nNo.",
        "(image)",
        "(file a.pdf)",
        "Write the summary now.",
    ]
    places = [told.index(part) for part in parts]
    assert places == sorted(places)
    assert not [secret for secret in ("AAAA", "secret") if secret in told]


def test_what_users_and_who_instructs_said_stays_and_what_only_a_provider_reads() -> None:
    assert [at for at, item in enumerate(ITEMS) if is_kept(item)] == [0, 1, 7, 8, 9]


@pytest.mark.parametrize(
    ("text", "language"),
    [("", "en"), ("Hello 世界, how are you all doing today?", "en"), ("请把首页改成蓝色，文件是 index.html。", "zh")],
)
def test_the_language_is_the_conversations(text: str, language: str) -> None:
    assert language_of(text) == language
    instructions, told = asked([{"role": "user", "content": text}], None)
    assert instructions.startswith("下面" if language == "zh" and text else "You")
    assert ("对话到此结束" in told) == (language == "zh")
    assert as_message(text)["content"][0]["text"].startswith("以下是" if language == "zh" else "Summary")
