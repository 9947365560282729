"""The settings: what is read, in which order, and what is said about mistakes."""

import copy
import dataclasses
import pickle
from pathlib import Path

import pytest

from waystation.metering.price_reading import read_price_text
from waystation.metering.price_text import decimal_of, written_price
from waystation.settings import Secret, Settings, SettingsError, load_settings, read_price
from waystation.terms import Credential, Price

PROVIDER = '[providers.up]\nbase_url = "https://up.example/v1"\n'
MODEL = '[models."m-1"]\nprovider = "up"\nprice = 0\n'


def load(tmp_path: Path, toml: str = "", **environ: str) -> Settings:
    config = tmp_path / "waystation.toml"
    config.write_text(toml, encoding="utf-8")
    return load_settings(config, tmp_path / "data", {"HOME": str(tmp_path), **environ})


def problems(tmp_path: Path, toml: str = "", **environ: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load(tmp_path, toml, **environ)
    return "\n".join(raised.value.problems)


def test_without_any_configuration_everything_has_a_default(tmp_path: Path) -> None:
    settings = load_settings(None, None, {"HOME": str(tmp_path)})
    assert settings.data == tmp_path / ".local/share/waystation"
    assert settings.models_folder == tmp_path / ".cache/waystation/models"
    assert settings.database_url == f"sqlite:///{settings.data}/waystation.db"
    assert (settings.server.host, settings.server.port, settings.config) == ("127.0.0.1", 8080, None)
    assert settings.providers == {}
    assert settings.models == {}


def test_a_file_in_the_data_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "waystation.toml").write_text("[server]\nport = 9001\n")
    assert load_settings(None, tmp_path, {}).server.port == 9001


@pytest.mark.parametrize(
    ("environ", "overrides", "port"),
    [
        ({}, {}, 9001),
        ({"WAYSTATION_SERVER_PORT": "9002"}, {}, 9002),
        ({"WAYSTATION_SERVER_PORT": ""}, {}, 9001),
        ({"WAYSTATION_SERVER_PORT": "9002"}, {"server.port": 9003}, 9003),
    ],
)
def test_option_beats_variable_beats_file(
    tmp_path: Path, environ: dict[str, str], overrides: dict[str, object], port: int
) -> None:
    (tmp_path / "waystation.toml").write_text("[server]\nport = 9001\n")
    assert load_settings(None, tmp_path, environ, overrides).server.port == port


def test_a_provider_and_its_model_are_read(tmp_path: Path) -> None:
    toml = PROVIDER + (
        'api_key = "sk-secret"\nheaders = { "x-team" = "blue" }\nidle_timeout_s = 5\n'
        '[models."gpt-x"]\nprovider = "up"\nmodel = "x-large"\nvision = true\n'
        'price = { currency = "CNY", input = "2.50", output = "10", cached_input = "0.000000001" }\n'
    )
    settings = load(tmp_path, toml)
    provider, model = settings.providers["up"], settings.models["gpt-x"]
    assert provider.credentials == (Credential("up/default", "default", Secret("sk-secret")),)
    assert provider.headers == {"x-team": "blue"}
    assert provider.idle_timeout_s == 5.0
    assert model.price == Price("CNY", 2_500_000_000, 10_000_000_000, 1)
    assert (model.model, model.vision, model.context_tokens_max, model.output_tokens_max) == (
        "x-large",
        True,
        131_072,
        16_384,
    )


def test_a_local_model_is_read_with_a_path_relative_to_the_file(tmp_path: Path) -> None:
    model = load(tmp_path, '[models.mine]\npath = "m.gguf"\nprice = "unmetered"\n').models["mine"]
    assert model.path == tmp_path / "m.gguf"
    assert model.price is None
    assert model.context_tokens_max is None


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("colour = 1", "colour is not a setting"),
        ("[sever]\nport = 1", "sever is not a setting; did you mean 'server'?"),
        ("[server]\nprot = 1", "server.prot is not a setting; did you mean 'port'?"),
        ('[server]\nport = "8080"', "server.port is '8080'; it must be a whole number"),
        ("[server]\nport = true", "server.port is True; it must be a whole number"),
        ("[server]\nport = 1.5", "server.port is 1.5; it must be a whole number"),
        ("[server]\nport = 70000", "server.port is 70000; the most is 65535"),
        ("[server]\ndrain_s = -1", "server.drain_s is -1.0; the least is 0 s"),
        ("[server]\ndrain_s = nan", "must be a finite number"),
        ("server = 1", "[server] must be a table"),
        ("[engine]\nenabled = 1", "engine.enabled is 1; it must be true or false"),
        ("[providers.up]\n", "providers.up.base_url is missing"),
        ('[providers.up]\nbase_url = "ftp://x"', "it must be http:// or https://"),
        ('[providers.up]\nbase_url = "https://u:p@x/v1"', "without credentials"),
        ('[providers.up]\nbase_url = "file:///etc/passwd"', "it must be http:// or https://"),
        ('[providers.local]\nbase_url = "https://x"', "the embedded engine's own name"),
        (PROVIDER + 'api_kee = "x"', "providers.up.api_kee is not a setting; did you mean 'api_key'?"),
        (PROVIDER + 'api_key_env = "NOT_SET"', "names NOT_SET, which is not set"),
        (PROVIDER + 'api_key_file = "gone"', "can't be read"),
        (PROVIDER + "headers = { a = 1 }", "must be a table of texts"),
        ('[models.m]\nprovider = "up"\nprice = 0', "which has no [providers.up] table"),
        (PROVIDER + '[models.m]\nprovider = "upp"\nprice = 0', "did you mean 'up'?"),
        ("[models.m]\nprice = 0", "needs either `provider` (and `model`) or the `path`"),
        (PROVIDER + '[models.m]\nprovider = "up"\npath = "x"\nprice = 0', "needs either"),
        (PROVIDER + '[models.m]\nprovider = "up"', 'models."m".price is missing, and an unknown price is never free'),
        (PROVIDER + '[models.m]\nprovider = "up"\nprice = { input = 2.5, output = "1" }', "write amounts in quotes"),
        (PROVIDER + '[models.m]\nprovider = "up"\nprice = "free"', "it must be { currency"),
        (PROVIDER + '[models.m]\nprovider = "up"\nprice = 0\nkind = "embeddings"', "did you mean 'embedding'?"),
        ('[models."a b"]\npath = "x"\nprice = 0', "is no name"),
        ("[server", "can't be read"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_file_and_key(tmp_path: Path, toml: str, said: str) -> None:
    told = problems(tmp_path, toml)
    assert said in told
    assert str(tmp_path / "waystation.toml") in told


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "colour = 1\n[server]\nport = -1\ndrain_s = 'x'\n").splitlines()) == 3


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        load_settings(tmp_path / "gone.toml", tmp_path, {})


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("WAYSTATION_SERVER_PORT", "http", "WAYSTATION_SERVER_PORT is 'http'; it must be a whole number"),
        ("WAYSTATION_SERVER_PORT", "-1", "the least is 0"),
        ("WAYSTATION_ENGINE_ENABLED", "maybe", "it must be true or false"),
        ("WAYSTATION_DATABASE_URL_FILE", "/nowhere/url", "can't be read"),
    ],
)
def test_a_mistake_in_a_variable_is_named(tmp_path: Path, variable: str, value: str, said: str) -> None:
    assert said in problems(tmp_path, **{variable: value})


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("WAYSTATION_SERVER_PROT", "did you mean 'WAYSTATION_SERVER_PORT'?"),
        ("WAYSTATION_DATABASE_URI", "did you mean 'WAYSTATION_DATABASE_URL'?"),
        ("WAYSTATION_PROVIDERS_UP_APIKEY", "did you mean 'WAYSTATION_PROVIDERS_UP_API_KEY'?"),
    ],
)
def test_a_misspelt_variable_is_reported_with_the_nearest_name(tmp_path: Path, variable: str, nearest: str) -> None:
    (warning,) = load(tmp_path, PROVIDER, **{variable: "1"}).warnings
    assert variable in warning
    assert nearest in warning


@pytest.mark.parametrize("variable", ["WAYSTATION_SERVICE_HOST", "WAYSTATION_PORT", "WAYSTATION_PORT_80_TCP_ADDR"])
def test_what_kubernetes_sets_is_no_mistake(tmp_path: Path, variable: str) -> None:
    assert load(tmp_path, "", **{variable: "tcp://10.0.0.1:80"}).warnings == ()


def test_a_secret_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-from-file\n")
    for environ in (
        {"WAYSTATION_PROVIDERS_UP_API_KEY": "sk-from-file"},
        {"WAYSTATION_PROVIDERS_UP_API_KEY_FILE": str(tmp_path / "key")},
    ):
        key = load(tmp_path, PROVIDER, **environ).providers["up"].credentials[0].secret
        assert key == Secret("sk-from-file")
    in_file = load(tmp_path, PROVIDER + 'api_key_file = "key"\n').providers["up"].credentials[0].secret
    named = (
        load(tmp_path, PROVIDER + 'api_key_env = "UP_KEY"\n', UP_KEY="sk-from-file")
        .providers["up"]
        .credentials[0]
        .secret
    )
    assert in_file == named == Secret("sk-from-file")


def test_a_secret_is_never_printed(tmp_path: Path) -> None:
    toml = PROVIDER + 'api_key = "sk-hidden"\nheaders = { authorization = "sk-hidden" }\n' + MODEL
    settings = load(tmp_path, toml, WAYSTATION_DATABASE_URL="postgresql://u:sk-hidden@h/d")
    secret = Secret("sk-hidden")
    for text in (repr(settings), str(settings), repr(secret), str(secret), f"{secret}", f"{secret:>20}", "%s" % secret):  # noqa: UP031
        assert "sk-hidden" not in text
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(secret)
    with pytest.raises(TypeError, match="not written"):
        copy.deepcopy(secret)


def test_settings_stay_as_they_were_read(tmp_path: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load(tmp_path).server.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "price",
    [
        0.0,
        True,
        False,
        1,
        "0.5",
        {},
        {"input": "1"},
        {"input": "1", "output": 1.0},
        {"input": "1", "output": "1", "currency": "EUR"},
        {"input": "1", "output": "1", "outptu": "1"},
        {"input": True, "output": "1"},
        {"input": "-1", "output": "1"},
        {"input": "NaN", "output": "1"},
        {"input": "10000.000000001", "output": "1"},  # above what a price may be
        {"input": "1", "output": "99999999999999999999"},
        {"input": "1", "output": "1", "image": "0.0000000001"},
        {"input": "1", "output": "1", "request": 0.01},
        {"input": "1", "output": "1", "steps": {"above": 1}},
        {"input": "1", "output": "1", "steps": [{"input": "1", "output": "1"}]},
        {"input": "1", "output": "1", "steps": [{"above": 0, "input": "1", "output": "1"}]},
        {"input": "1", "output": "1", "steps": [{"above": True, "input": "1", "output": "1"}]},
        {"input": "1", "output": "1", "steps": [{"above": 5, "input": "1"}]},
        {"input": "1", "output": "1", "steps": [{"above": 5, "input": "1", "output": "1", "image": "1"}]},
        {"input": "1", "output": "1", "steps": [{"above": 5, "input": "1", "output": "1"}] * 2},
        {"input": "1", "output": "1", "tiers": ["flex"]},
        {"input": "1", "output": "1", "tiers": {"flex": {"input": "1"}}},
        {"input": "1", "output": "1", "tiers": {"flex": {"currency": "CNY", "input": "1", "output": "1"}}},
        {"input": "1", "output": "1", "tiers": {"flex": {"input": "1", "output": "1", "tiers": {}}}},
    ],
)
def test_a_price_that_is_not_clear_is_refused(price: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_price(price)


EVERY_RATE = """{ currency = "CNY", input = "2", output = "8", cached_input = "0.4", cache_write = "2.5", reasoning = "9",
  audio_input = "30", audio_output = "60", image = "0.04", request = "0.001",
  steps = [{ above = 128000, input = "4", output = "16" }, { above = 32000, input = "3", output = "12", cache_write = "4" }],
  tiers = { flex = { input = "1", output = "4" }, batch = { input = "1", output = "4" } } }"""


def test_a_price_names_every_kind_of_rate_and_comes_back_as_it_was_written() -> None:
    price = read_price_text(EVERY_RATE.replace("\n", ""))
    assert price is not None
    assert price.cache_write_nano_per_million == 2_500_000_000
    assert price.image_nano == 40_000_000
    assert price.request_nano == 1_000_000
    assert [step.above_input_tokens for step in price.steps] == [32_000, 128_000]
    assert price.tiers["flex"].currency == "CNY"
    assert read_price(written_price(price)) == price
    assert written_price(None) == "unmetered"


@pytest.mark.parametrize("text", ["2.5", "{ input = 1", '{ input = "1" }', "input=1", "input=1,output=x", ""])
def test_a_price_as_an_option_is_clear_or_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_price_text(text)


@pytest.mark.parametrize(("nano", "text"), [(0, "0"), (1, "0.000000001"), (2_500_000_000, "2.5"), (-(10**9), "-1")])
def test_nano_are_printed_as_the_shortest_decimal(nano: int, text: str) -> None:
    assert decimal_of(nano) == text


OPENAI = '[providers.openai]\nbase_url = "https://api.openai.com/v1"\n'
DEEPSEEK = '[providers.ds]\nbase_url = "https://api.deepseek.com"\n'


def test_a_model_without_a_price_has_the_price_of_the_book(tmp_path: Path) -> None:
    models = load(
        tmp_path,
        OPENAI + '[models."mini"]\nprovider = "openai"\nmodel = "gpt-4o-mini"\n[models.gpt-5]\nprovider = "openai"',
    ).models
    mini, gpt_5 = models["mini"].price, models["gpt-5"].price
    assert mini is not None
    assert (mini.currency, mini.input_nano_per_million, mini.output_nano_per_million) == (
        "USD",
        150_000_000,
        600_000_000,
    )
    assert mini.source.startswith("genai-prices ")
    assert gpt_5 is not None
    assert gpt_5.tiers["flex"].input_nano_per_million == gpt_5.input_nano_per_million // 2


def test_a_provider_that_bills_in_two_currencies_is_asked_in_the_one_that_is_named(tmp_path: Path) -> None:
    model = '[models.deepseek-v4-pro]\nprovider = "ds"\n'
    dollars = load(tmp_path, DEEPSEEK + model).models["deepseek-v4-pro"].price
    yuan = load(tmp_path, DEEPSEEK + model + 'price = { currency = "CNY" }').models["deepseek-v4-pro"].price
    assert dollars is not None
    assert yuan is not None
    assert (dollars.currency, yuan.currency) == ("USD", "CNY")
    assert yuan.source == "https://api-docs.deepseek.com/zh-cn/quick_start/pricing (2026-09-11)"


@pytest.mark.parametrize(
    "config",
    [
        OPENAI + '[models.unheard-of]\nprovider = "openai"',
        OPENAI + '[models.gpt-4o]\nprovider = "openai"\nprice = { currency = "CNY" }',  # it bills in USD alone
        OPENAI + '[models.gpt-4o]\nprovider = "openai"\nprice = { currency = "EUR" }',
        '[models.gpt-4o]\npath = "m.gguf"',
        '[providers.up]\nbase_url = "http://127.0.0.1:9/v1"\n[models.gpt-4o]\nprovider = "up"',
    ],
)
def test_what_the_book_does_not_know_is_asked_for(config: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is missing, and an unknown price is never free"):
        load(tmp_path, config)


def test_the_credit_of_a_sign_up_is_exact_and_calls_are_kept_for_ever_unless_said_otherwise(tmp_path: Path) -> None:
    money = load(tmp_path).money
    assert (money.signup_grant_nano, money.usage_retention_days) == (5_000_000_000, 0)
    money = load(tmp_path, '[money]\nsignup_grant = "0.50"\n', WAYSTATION_MONEY_USAGE_RETENTION_DAYS="90").money
    assert (money.signup_grant_nano, money.usage_retention_days) == (500_000_000, 90)
    assert "money.signup_grant is '5 USD'" in problems(tmp_path, '[money]\nsignup_grant = "5 USD"\n')
    assert "text in quotes" in problems(tmp_path, "[money]\nsignup_grant = 5.0\n")
    assert "the least is 0 days" in problems(tmp_path, "[money]\nusage_retention_days = -1\n")
