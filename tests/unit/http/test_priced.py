"""What a caller is told of prices: their own, before a call."""

from pathlib import Path
from typing import Any

from tests.unit.http.control_stand import Stand, stand

CONFIG = """
[providers.p]
base_url = "http://127.0.0.1:9/v1"
[models.m]
provider = "p"
price = { currency = "USD", input = "2.50", output = "10" }
[models.yuan]
provider = "p"
price = { currency = "CNY", input = "1", output = "1" }
"""
ESTIMATE = "/waystation/estimate"
ASKED: dict[str, Any] = {"model": "m", "input_tokens": 6, "output_tokens": 150}


def test_an_estimate_is_at_the_prices_of_whoever_asks(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        told = await s.post(ESTIMATE, ASKED, key=s.key)
        assert (told["cost"], told["cost_nano"], told["currency"]) == ("0.001515", "1515000", "USD")
        assert (await s.post(ESTIMATE, ASKED))["cost"] == "0.001515", "an admin key asks for its organization"
        words = await s.post(ESTIMATE, {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5})
        assert int(words["cost_max_nano"]) == words["input_tokens"] * 2_500 + 5 * 10_000

    stand(tmp_path, story, CONFIG)


def test_what_can_not_be_estimated_is_refused_by_name(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        refused: list[tuple[Any, tuple[int, str | None, str | None]]] = [
            ({"model": "none", "input_tokens": 1}, (404, "model_not_found", None)),
            ({"model": "yuan", "input_tokens": 1}, (403, "price_missing", None)),
            ({"model": "m"}, (400, "missing_required_parameter", "messages")),
            ({"model": "m", "input_tokens": -1}, (400, "integer_below_min_value", "input_tokens")),
            ({"model": "m", "input_tokens": 1, "cached_tokens": 2}, (400, "invalid_value", "cached_tokens")),
        ]
        for body, error in refused:
            said = await s.ask("POST", ESTIMATE, body, key=s.key)
            assert said.error == error, (body, said.body)
        assert (await s.ask("POST", ESTIMATE, ASKED, key="")).status == 401
        large = await s.ask("POST", ESTIMATE, data=b" " * (8 * 1024 * 1024 + 1), key=s.key)
        assert large.error == (413, "request_too_large", None)

    stand(tmp_path, story, CONFIG)
