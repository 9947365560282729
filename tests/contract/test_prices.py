"""Prices that are entered while the server runs: the next calls cost what they say, to the digit."""

import json
import time
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI, PermissionDeniedError
from openai.types.chat import ChatCompletionMessageParam

from tests.e2e.moody_upstream import Moody
from tests.e2e.running import Running, serving
from tests.unit.cli.command import waystation

KNOWN_S = 2.0
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
EXAMPLES = {"gpt-4o": "0.001515 USD", "gpt-4.1": "0.0153 USD", "gpt-5": "1.5075 USD"}


def test_the_faqs_examples_are_what_calls_cost_once_its_table_is_loaded(tmp_path: Path, moody: Moody) -> None:
    """FAQ 10: 6 tokens in and 150 out."""
    moody.will_refuse()
    config = tmp_path / "waystation.toml"
    lines = ["[engine]", "enabled = false", "[providers.moody]", f'base_url = "{moody.url}"']
    for name in (*EXAMPLES, "yuan"):
        price = '{ currency = "CNY", input = "1", output = "1" }' if name == "yuan" else "0"
        lines += [f'[models."{name}"]', 'provider = "moody"', f"price = {price}"]
    config.write_text("\n".join(lines))
    with serving(tmp_path / "data", config) as running:
        client = OpenAI(base_url=f"{running.url}/v1", api_key=running.key, max_retries=0)

        def cost(model: str) -> str | None:
            raw = client.chat.completions.with_raw_response.create(model=model, messages=HELLO)
            return raw.headers.get("x-waystation-cost")

        def wait_for(model: str, expected: str) -> str | None:
            until = time.monotonic() + KNOWN_S
            while (found := cost(model)) != expected and time.monotonic() < until:
                pass
            return found

        told: list[str | Path] = ["--data", tmp_path / "data", "--config", config]
        assert cost("gpt-5") == "0 USD"
        assert waystation("prices", "load", "faq", *told, home=tmp_path).code == 0
        for model, expected in EXAMPLES.items():
            assert wait_for(model, expected) == expected

        with pytest.raises(PermissionDeniedError, match="no exchange rate from CNY to USD") as refused:
            cost("yuan")
        assert refused.value.code == "price_missing"
        assert waystation("prices", "rate", "CNY", "USD", "0.5", *told, home=tmp_path).code == 0
        until = time.monotonic() + KNOWN_S
        while time.monotonic() < until:
            try:
                assert cost("yuan") == "0.000078 USD"
                break
            except PermissionDeniedError:
                continue
        else:
            pytest.fail("the exchange rate is not known after two seconds")
        assert waystation("ledger", "verify", *told, home=tmp_path).code == 0


def test_an_estimate_is_what_the_call_then_costs(gateway: Running, gateway_client: OpenAI) -> None:
    raw = gateway_client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO)
    usage = raw.parse().usage
    assert usage is not None
    asked = {"model": "gpt-4o", "input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
    told = gateway_client.post("/waystation/estimate", body=asked, cast_to=dict[str, object])
    assert f"{told['cost']} {told['currency']}" == raw.headers["x-waystation-cost"]
    counted = gateway_client.post(
        "/waystation/estimate", body={"model": "gpt-4o", "messages": HELLO}, cast_to=dict[str, object]
    )
    assert int(str(counted["cost_min_nano"])) < int(str(counted["cost_max_nano"]))


def test_a_price_that_is_entered_is_what_the_next_calls_cost(tmp_path: Path, moody: Moody) -> None:
    moody.will_refuse()
    config = tmp_path / "waystation.toml"
    config.write_text(
        f'[engine]\nenabled = false\n[providers.moody]\nbase_url = "{moody.url}"\n'
        '[models.m]\nprovider = "moody"\nprice = 0\n'
    )
    with serving(tmp_path / "data", config) as running:
        admin_key = json.loads(running.command("keys", "create", "--admin", "--json").stdout)["key"]
        caller = OpenAI(base_url=running.base_url, api_key=running.key, max_retries=0)
        admin = {"authorization": f"Bearer {admin_key}"}
        price = {"model": "m", "price": {"input": "2.50", "output": "10"}}

        def entered() -> bool:
            return httpx2.post(f"{running.base_url}/waystation/prices", headers=admin, json=price).status_code == 200

        until = time.monotonic() + KNOWN_S
        while not entered():  # the key is known within a second
            assert time.monotonic() < until
        while time.monotonic() < until + KNOWN_S:
            raw = caller.chat.completions.with_raw_response.create(model="m", messages=HELLO)
            if raw.headers["x-waystation-cost"] != "0 USD":
                break
        told = caller.get("/waystation/prices/effective?model=m", cast_to=dict[str, object])
        assert told["price"] == {"currency": "USD", "input": "2.5", "output": "10"}
        assert told["holds_for"] == "everybody"
        usage = raw.parse().usage
        assert usage is not None
        nano = usage.prompt_tokens * 2_500 + usage.completion_tokens * 10_000
        assert raw.headers["x-waystation-cost"] == f"{nano / 10**9:.9f}".rstrip("0") + " USD"
