"""`waystation prices` and `waystation cost` from outside: what is entered is what is asked for."""

from pathlib import Path

import pytest

from tests.unit.cli.command import waystation

CONFIG = """
[providers.openai]
base_url = "https://api.openai.com/v1"
[models.gpt-4o]
provider = "openai"
[models.mine]
provider = "openai"
price = { currency = "CNY", input = "7", output = "14" }
"""


def test_the_faqs_table_is_loaded_and_its_examples_come_out_to_the_digit(tmp_path: Path) -> None:
    loaded = waystation("prices", "load", "faq", "--json", home=tmp_path).json
    assert [row["model"] for row in loaded["prices"]] == ["gpt-5", "gpt-4.1", "gpt-4o"]
    assert loaded["left_out"] == []
    for model, cost in (("gpt-4o", "0.001515"), ("gpt-4.1", "0.0153"), ("gpt-5", "1.5075")):
        said = waystation("cost", model, "--input-tokens", "6", "--output-tokens", "150", home=tmp_path)
        assert said.out == f"{cost} USD\n"


def test_asking_makes_nothing_and_a_local_model_costs_its_stated_0(tmp_path: Path) -> None:
    said = waystation("cost", "gpt-4o", "hello world", "--output-tokens", "10", "--json", home=tmp_path)
    assert (said.json["input_tokens"], said.json["cost"], said.json["price_source"]) == (2, "0", "local model")
    assert list(tmp_path.iterdir()) == []


def test_the_price_book_answers_for_models_that_are_not_here(tmp_path: Path) -> None:
    asked = ["cost", "openai/gpt-5", "--input-tokens", "1000000", "--output-tokens", "0"]
    assert waystation(*asked, home=tmp_path).out == "1.25 USD\n"
    assert waystation(*asked, "--tier", "flex", "--cached-tokens", "1000000", home=tmp_path).out == "0.0625 USD\n"


def test_prices_are_entered_listed_and_asked_for(tmp_path: Path) -> None:
    config = tmp_path / "w.toml"
    config.write_text(CONFIG)
    with_config: list[str | Path] = ["--config", config]
    project = waystation("init", "--json", *with_config, home=tmp_path)
    assert project.code == 0
    price = "{ input = '4', output = '8', steps = [{ above = 100, input = '6', output = '9' }] }"
    made = waystation("prices", "set", "gpt-4o", "--price", price, "--json", *with_config, home=tmp_path).json
    assert made["price"] == {
        "currency": "USD",
        "input": "4",
        "output": "8",
        "steps": [{"above": 100, "input": "6", "output": "9"}],
    }
    later = ["prices", "set", "gpt-4o", "--price", "unmetered", "--from", "2200-01-01T08:00+08:00"]
    assert waystation(*later, *with_config, home=tmp_path).out == "gpt-4o  unmetered  from 2200-01-01 00:00 UTC\n"

    def cost(model: str, tokens: int) -> str:
        asked = ["cost", model, "--input-tokens", str(tokens), "--output-tokens", "0"]
        said = waystation(*asked, *with_config, home=tmp_path)
        return said.out or said.err

    assert cost("gpt-4o", 100) == "0.0004 USD\n"
    assert cost("gpt-4o", 101) == "0.000606 USD\n"
    assert "no exchange rate from CNY to USD is known" in cost("mine", 1_000)
    assert waystation("prices", "rate", "cny", "usd", "0.14", *with_config, home=tmp_path).out == "1 CNY = 0.14 USD\n"
    assert cost("mine", 1_000) == "0.00098 USD\n"
    listed = waystation("prices", "list", "--json", *with_config, home=tmp_path).json
    assert [row["model"] for row in listed["prices"]] == ["gpt-4o", "gpt-4o"]
    assert listed["exchange_rates"][0]["rate"] == "0.14"


BOOK = "genai-prices 0.2.3 (2026-11); fees of tools as quoted 2026-03 and 2026-11"


def test_check_and_the_list_of_models_show_where_a_price_is_from(tmp_path: Path) -> None:
    config = tmp_path / "w.toml"
    config.write_text(CONFIG)
    checked = waystation("check", "--offline", "--json", "--config", config, home=tmp_path).json
    assert checked["prices"] == [{"model": "gpt-4o", "price": "2.5 / 10 USD", "source": BOOK}]
    assert "2.5 / 10 USD; genai-prices" in waystation("check", "--offline", "--config", config, home=tmp_path).out
    listed = waystation("models", "list", "--json", "--config", config, home=tmp_path).json
    told = {
        row["name"]: (row["price"]["currency"], row["price_source"]) for row in listed if row["provider"] == "openai"
    }
    assert told == {"gpt-4o": ("USD", BOOK), "mine": ("CNY", "config")}


def test_a_price_list_is_taken_whole_but_for_models_that_are_not_here(tmp_path: Path) -> None:
    (tmp_path / "list.toml").write_text(
        'source = "contract"\nfrom = 2026-01-01\n[models.gpt-4o]\nprice = { input = "1", output = "2" }\n'
        '[models.gpt-5]\nprice = "unmetered"\nfrom = "2026-02-01"\n[models.other]\nprice = 0\n'
    )
    loaded = waystation("prices", "load", tmp_path / "list.toml", "--json", home=tmp_path).json
    assert [(row["model"], row["effective_at"], row["source"]) for row in loaded["prices"]] == [
        ("gpt-4o", 1_767_225_600, "contract"),
        ("gpt-5", 1_769_904_000, "contract"),
    ]
    assert loaded["left_out"] == ["other"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has 1 to"),
        ("models = 3", "has 1 to"),
        ("[models]", "has 1 to"),
        ("not toml", "can't be read"),
        ("[models.m]", "needs a price"),
        ("[models.m]\nprice = 2.5", "it must be { currency"),
        ('[models.m]\nprice = { input = "-1", output = "1" }', "an amount looks like"),
        ('[models.m]\nprice = { input = "nan", output = "1" }', "an amount looks like"),
        ('[models.m]\nprice = { input = "0.0000000001", output = "1" }', "at most 9 decimals"),
        ('[models.m]\nprice = { input = "99999999", output = "1" }', "between 0 and 10000"),
        ('[models.m]\nprice = { currency = "GBP", input = "1", output = "1" }', "has the currency 'GBP'"),
        ("[models.m]\nprice = 0\nfrom = 7", "that is no date"),
        ("[models.m]\nprice = 0\nfrom = 'tomorrow'", "has a date 'tomorrow'"),
        ("[models.m]\nprice = 0\nsince = 2026-01-01", "it knows price, from, source"),
        ("[models.m]\nprice = 0\nsource = 7", "a source that is no text"),
        ("currency = 'USD'\n[models.m]\nprice = 0", "currency is not known"),
    ],
)
def test_a_price_list_with_a_mistake_changes_nothing(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "list.toml").write_text(text)
    answer = waystation("prices", "load", tmp_path / "list.toml", home=tmp_path)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["prices", "load", "gone.toml"], 2, "No such file"),
        (["prices", "set", "gpt-4o"], 2, "Missing option '--price'"),
        (["prices", "set", "gpt-4o", "--price", "input=1"], 2, "needs both input and output"),
        (["prices", "set", "gpt-4o", "--price", "{ input = "], 2, "is no TOML table"),
        (["prices", "set", "gpt-4o", "--price", "0", "--from", "soon"], 2, "has a date 'soon'"),
        (["prices", "set", "gpt-9", "--price", "0"], 1, "There is no model 'gpt-9'"),
        (["prices", "set", "gpt-4o", "--price", "0", "--organization", "org-x"], 1, "There is no organization"),
        (["prices", "set", "gpt-4o", "--price", "0", "--project", "proj_x"], 1, "There is no project"),
        (["prices", "set", "gpt-4o", "--price", "0", "--from", "0001-01-01"], 1, "begins at a time"),
        (["prices", "rate", "CNY", "USD", "0"], 1, "An exchange rate is above 0"),
        (["prices", "rate", "CNY", "USD", "-0.14"], 2, "No such option"),
        (["prices", "rate", "CNY", "USD", "NaN"], 2, "an amount looks like"),
        (["prices", "rate", "CNY", "EUR", "1"], 1, "The currency 'EUR' is unknown"),
        (["prices", "rate", "USD", "USD", "1"], 1, "between two currencies"),
        (["cost", "gpt-4o"], 2, "Give either"),
        (["cost", "gpt-4o", "x", "--input-tokens", "1"], 2, "Give either"),
        (["cost", "gpt-4o", "--input-tokens", "-1"], 2, "--input-tokens"),
        (["cost", "gpt-4o", "--input-tokens", "1.5"], 2, "--input-tokens"),
        (["cost", "gpt-4o", "--input-tokens", "100000001"], 2, "--input-tokens"),
        (["cost", "gpt-4o", "x", "--cached-tokens", "2"], 2, "part of the input"),
        (["cost", "nope", "x"], 1, "There is no model 'nope'"),
        (["cost", "openai/nope", "x"], 1, "There is no model 'openai/nope'"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    answer = waystation(*arguments, home=tmp_path)
    assert answer.code == code
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""
