"""The price book: whose price it finds, from which day, and that it is what its sources say."""

import gzip
import importlib.util
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from waystation.catalogue.book.lookup import BookModel, books, known_price
from waystation.metering.price_rules import check_price

NOVEMBER_2026 = 1_795_000_000
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("url", "model", "currency", "input_nano", "output_nano"),
    [
        ("https://api.openai.com/v1", "gpt-4.1", "USD", 2_000_000_000, 8_000_000_000),
        ("https://api.openai.com/v1", "GPT-4o-2024-08-06", "USD", 2_500_000_000, 10_000_000_000),
        ("HTTPS://API.OpenAI.com/v1", "gpt-4.1", "USD", 2_000_000_000, 8_000_000_000),
        ("https://api.openai.com/v1", "text-embedding-3-small", "USD", 20_000_000, 0),
        ("https://api.anthropic.com/v1", "claude-sonnet-4-5", "USD", 3_000_000_000, 15_000_000_000),
        ("https://me.openai.azure.com/openai/v1", "gpt-4o", "USD", 2_500_000_000, 10_000_000_000),
        ("https://api.moonshot.cn/v1", "kimi-k2.6", "CNY", 6_500_000_000, 27_000_000_000),
        ("https://api.moonshot.ai/v1", "kimi-k2.6", "USD", 950_000_000, 4_000_000_000),
        ("https://dashscope.aliyuncs.com/compatible-mode/v1", "qwen3-max", "CNY", 2_500_000_000, 10_000_000_000),
        (
            "https://ark.cn-beijing.volces.com/api/v3",
            "doubao-seed-2-0-pro-260215",
            "CNY",
            3_200_000_000,
            16_000_000_000,
        ),
        ("https://open.bigmodel.cn/api/paas/v4", "glm-5.1", "CNY", 6_000_000_000, 24_000_000_000),
        ("https://api.minimaxi.com/v1", "MiniMax-M2.7", "CNY", 2_100_000_000, 8_400_000_000),
        ("https://api.hunyuan.cloud.tencent.com/v1", "hunyuan-turbos-latest", "CNY", 800_000_000, 2_000_000_000),
        ("https://qianfan.baidubce.com/v2", "ernie-5.1", "CNY", 4_000_000_000, 18_000_000_000),
        ("https://api.deepseek.com", "deepseek-flash", "USD", 300_000_000, 1_200_000_000),  # peak hours' price
    ],
)
def test_a_providers_url_says_whose_price_it_is(
    url: str, model: str, currency: str, input_nano: int, output_nano: int
) -> None:
    price = known_price("up", url, model, NOVEMBER_2026)
    assert price is not None
    assert (price.currency, price.input_nano_per_million, price.output_nano_per_million) == (
        currency,
        input_nano,
        output_nano,
    )


@pytest.mark.parametrize(
    ("provider", "url", "model"),
    [
        ("openai", "https://api.groq.com/openai/v1", "gpt-4o"),  # the URL is another's, whatever the name says
        ("up", "https://api.openai.com.evil.example/v1", "none"),
        ("up", "http://10.0.0.1/v1", "gpt-4o"),
        ("openai", "https://api.openai.com/v1", "no-such-model"),
        ("openai", "https://api.openai.com/v1", "gpt-image-1"),  # its image tokens have a rate that we can't say
        ("up", "https://api.moonshot.cn/v1", "kimi-k9"),  # never the international price for a mainland host
        ("openai", "https://api.openai.com/v1", "x" * 100_000),
        ("openai", "https://api.openai.com/v1", ""),
    ],
)
def test_what_the_book_does_not_know_it_does_not_guess(provider: str, url: str, model: str) -> None:
    assert known_price(provider, url, model, NOVEMBER_2026) is None


def test_behind_a_proxy_of_ones_own_the_name_says_whose_price_it_is() -> None:
    assert known_price("openai", "http://proxy.corp/v1", "gpt-4o", NOVEMBER_2026) is not None
    assert known_price("DeepSeek", "http://proxy.corp/v1", "deepseek-flash", NOVEMBER_2026, "CNY") is not None


def test_a_dated_price_holds_from_its_day_on() -> None:
    url = "https://api.openai.com/v1"
    before, after = (
        known_price("openai", url, "gpt-5", 1_750_000_000),
        known_price("openai", url, "gpt-5", NOVEMBER_2026),
    )
    assert before is not None
    assert after is not None
    assert "flex" not in before.tiers
    assert after.tiers["flex"].input_nano_per_million == 625_000_000


def test_a_currency_that_a_provider_does_not_bill_in_has_no_price() -> None:
    assert known_price("up", "https://api.openai.com/v1", "gpt-4o", NOVEMBER_2026, "CNY") is None
    assert known_price("up", "https://api.moonshot.cn/v1", "kimi-k2.6", NOVEMBER_2026, "USD") is None


def test_every_price_of_the_book_is_one_that_we_would_take() -> None:
    count = 0
    for book in books():
        for provider in book.providers:
            for model in _models(provider.models):
                for row in model.rows:
                    check_price(row.price)
                    assert row.price.input_nano_per_million or row.price.output_nano_per_million
                    count += 1
    assert count > 2_000


def test_the_overlay_is_made_of_the_file_that_people_edit() -> None:
    tool = _tool()
    text = (files("waystation.catalogue.book") / "cny.toml").read_text(encoding="utf-8")
    made = tool.encoded({"source": "cny.toml"}, tool.cny(text))
    assert made == (files("waystation.catalogue.book") / "cny.json").read_bytes(), "run tools/make_price_book.py"


def test_the_book_says_what_it_is_made_of() -> None:
    head = gzip.decompress((files("waystation.catalogue.book") / "genai.json.gz").read_bytes()).split(b"\n", 1)[0]
    assert b'"package": "genai-prices", "version": "0.2.3"' in head
    assert b'"licence": "MIT"' in head


def _models(raw: bytes) -> list[BookModel]:
    return msgspec.json.decode(raw, type=list[BookModel])


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_price_book", ROOT / "tools" / "make_price_book.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool
