"""What the guide says can be sent is taken, in the order in which it says so, in both languages."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.http.control_stand import Stand, stand
from tests.unit.http.fleet_stand import D, P, deployment, keyed

GUIDES = Path(__file__).parents[3] / "docs" / "guides"
EXAMPLE = re.compile(r"^admin (/\S+) -d '(\{.*?\})'$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("guide", ["providers.md", "providers.zh-CN.md"])
def test_every_example_of_the_guide_is_taken(tmp_path: Path, guide: str) -> None:
    found = EXAMPLE.findall((GUIDES / guide).read_text(encoding="utf-8"))
    examples = [(path, body) for path, body in found if "…" not in path and "$" not in body and "/test" not in path]
    assert len(examples) >= 8

    async def story(s: Stand) -> None:
        keyed(s)
        own = {"name": "vllm", "base_url": "http://10.0.0.7:8000/v1", "allow_private_network": True}
        await s.post(P, own)  # as the command beside them does
        await deployment(s, "qwen-plus", "vllm")
        for path, body in examples:
            said = await s.ask("POST", path, json.loads(body))
            assert said.status == 200, (path, said)

    stand(tmp_path, story)


def test_the_price_books_price_is_found_by_a_presets_url(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        await s.post(P, {"name": "mine", "preset": "deepseek"})
        made = await s.post(D, {"model": "deepseek-chat", "provider": "mine", "new_model": {}})
        assert Decimal(made["new_model"]["price"]["output"]) > 0

    stand(tmp_path, story)
