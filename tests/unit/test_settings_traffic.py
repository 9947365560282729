"""Providers with pools, deployments and routes in the TOML file: what is read, and what is said about mistakes."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.catalogue.build import offer_of
from waystation.catalogue.routing_model import read_deployment
from waystation.inventory import all_models, models_of, traffic_of, traffic_problems
from waystation.providers.model import ProviderConfig, Tls
from waystation.settings import Secret, Settings, SettingsError, _assemble, load_settings
from waystation.settings_providers import without_pool
from waystation.settings_reader import Reader
from waystation.terms import Credential, Static

UP = '[providers.up]\nbase_url = "https://up.example/v1"\n'
MODELS = '[models.big]\nprovider = "up"\nprice = 0\n[models.small]\nprovider = "up"\nprice = 0\n'


def load(tmp_path: Path, toml: str = "", **environ: str) -> Settings:
    config = tmp_path / "waystation.toml"
    config.write_text(toml, encoding="utf-8")
    return load_settings(config, tmp_path / "data", {"HOME": str(tmp_path), **environ})


def refused(tmp_path: Path, toml: str = "", **environ: str) -> SettingsError:
    with pytest.raises(SettingsError) as raised:
        load(tmp_path, toml, **environ)
    return raised.value


def test_a_provider_is_read_with_its_pool(tmp_path: Path) -> None:
    (tmp_path / "second").write_text("sk-2\n")
    toml = UP + (
        'api_key = "sk-1"\nproxy = "socks5h://u:hush@proxy.example:1080"\nregion = "eu-1"\napi_version = "2026-01-01"\n'
        "concurrency_max = 8\n"
        '[[providers.up.credentials]]\nname = "second"\napi_key_file = "second"\nweight = 3\n'
        '[[providers.up.credentials]]\nname = "third"\napi_key_env = "THIRD"\nenabled = false\n'
    )
    settings = load(tmp_path, toml, THIRD="sk-3")
    provider = settings.providers["up"]
    assert provider.credentials == (
        Credential("up/default", "default", Secret("sk-1")),
        Credential("up/second", "second", Secret("sk-2"), 3),
        Credential("up/third", "third", Secret("sk-3"), 1, disabled=True),
    )
    assert (provider.proxy, provider.region, provider.api_version, provider.concurrency_max) == (
        "socks5h://u:hush@proxy.example:1080",
        "eu-1",
        "2026-01-01",
        8,
    )
    assert "hush" not in repr(settings)
    assert without_pool(provider).api_key == Secret("sk-1")


def test_a_key_of_a_pool_comes_from_a_variable_of_its_own(tmp_path: Path) -> None:
    toml = UP + '[[providers.up.credentials]]\nname = "only"\n'
    settings = load(tmp_path, toml, WAYSTATION_PROVIDERS_UP_CREDENTIALS_0_API_KEY="sk-0")
    assert settings.providers["up"].credentials == (Credential("up/only", "only", Secret("sk-0")),)
    assert settings.warnings == ()


def test_a_preset_is_enough(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        '[providers.ds]\npreset = "deepseek"\n[providers.claude]\npreset = "anthropic"\n'
        '[providers.gpu]\npreset = "vllm"\nbase_url = "http://10.0.0.8:8000/v1"\n[models.deepseek-chat]\nprovider = "ds"\n',
    )
    assert settings.providers["ds"].base_url == "https://api.deepseek.com"
    assert settings.providers["claude"].kind == "anthropic"
    assert settings.providers["gpu"].allow_private_network
    price = settings.models["deepseek-chat"].price
    assert price is not None, "the price book knows the preset's base URL"


def test_files_are_relative_to_the_configuration(tmp_path: Path) -> None:
    told = refused(tmp_path, UP + 'ca_file = "ca.pem"\nclient_cert_file = "cert.pem"\n').problems
    assert [problem.split(": ", 1)[1] for problem in told] == [
        "providers.up.ca_file can't be read: No such file or directory",
        "providers.up.client_cert_file can't be read: No such file or directory",
    ]
    assert Tls() == load(tmp_path, UP).providers["up"].tls


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[providers.up]\npreset = "deepseak"\n', "did you mean 'deepseek'?"),
        ('[providers.up]\nkind = "opnai"\nbase_url = "https://x"\n', "did you mean 'openai'?"),
        (UP + 'proxy = "ftp://x"\n', "providers.up.proxy must be http://"),
        (
            UP + 'headers = { "x-a" = "1\\r\\nhost: evil" }\n',
            "providers.up.headers.'x-a' has a value that can't be sent",
        ),
        (UP + "credentials = 1\n", "providers.up.credentials must be tables"),
        (UP + "[[providers.up.credentials]]\napi_key = 'x'\n", "providers.up.credentials[0].name is missing"),
        (UP + "[[providers.up.credentials]]\nname = 'x'\n", "providers.up.credentials[0].api_key is missing"),
        (UP + "[[providers.up.credentials]]\nname = 'x'\napi_kee = 'y'\n", "did you mean 'api_key'?"),
        (UP + "[[providers.up.credentials]]\nname = 'x'\napi_key_env = 'GONE'\n", "names GONE, which is not set"),
        (
            UP + "api_key = 'k'\n[[providers.up.credentials]]\nname = 'default'\napi_key = 'y'\n",
            "providers.up.credentials[0].name is 'default' once more",
        ),
        (UP + 'api_key = "k\\n"\n', "providers.up.api_key has characters that no key has"),
        ('[providers.up]\nbase_url = "http://192.168.0.9/v1"\n', "say allow_private_network = true"),
        ('[providers.up]\nbase_url = "http://169.254.169.254/v1"\n', "metadata address"),
        (UP + "[deployments.d]\nmodle = 'big'\n", "deployments.d.modle is not a setting; did you mean 'model'?"),
        (UP + MODELS + "[deployments.d]\nmodel = 'big'\nprovider = 'upp'\n", "did you mean 'up'?"),
        (
            UP + MODELS + "[deployments.d]\nmodel = 'big'\nprovider = 'up'\nnew_model = {}\n",
            "only for the control plane",
        ),
        (
            UP + MODELS + "[deployments.d]\nmodel = 'big'\nprovider = 'up'\ntier = 2\n",
            "models.big.tier has deployments in",
        ),
        (
            UP + MODELS + "[routes.big]\nfallback = []\n",
            "routes.big.fallback is not a setting; did you mean 'fallbacks'?",
        ),
        (
            UP + MODELS + "[routes.big]\nfallbacks = ['big']\n",
            "routes.big.fallbacks[0] is 'big', which is the model itself",
        ),
        (UP + MODELS + "[routes.'g-1']\nalias_of = 'g-1'\n", 'routes."g-1".alias_of goes in a circle'),
        ("deployments = 1\n", "[deployments] must be tables"),
        ("[routes]\nbig = 1\n", "routes.big must be a table"),
        ("[routes.'a b']\n", "is no name"),
    ],
    ids=lambda value: str(value)[-40:] if isinstance(value, str) else None,
)
def test_a_mistake_is_named_with_its_key_in_both_languages(tmp_path: Path, toml: str, said: str) -> None:
    error = refused(tmp_path, toml)
    assert said in str(error)
    assert len(error.in_chinese) == len(error.problems)


def test_a_mistake_is_told_in_chinese_too(tmp_path: Path) -> None:
    (told,) = refused(tmp_path, UP + MODELS + "[routes.big]\nfallbacks = ['big']\n").in_chinese
    assert told.endswith("waystation.toml：routes.big.fallbacks[0] 为 'big'，就是该模型自己")


def test_what_a_model_is_served_by_and_how_reaches_the_catalogue(tmp_path: Path) -> None:
    toml = (
        UP
        + '[providers.spare]\nbase_url = "https://spare.example/v1"\n'
        + MODELS
        + "weight = 4\nprefill = true\n"
        + "[deployments.small-at-spare]\n"
        + 'model = "small"\nprovider = "spare"\ntier = 1\nupstream_model = "s"\n'
        + '[routes.big]\nfallbacks = ["small"]\nstatic = { en = "Sorry.", zh = "抱歉。" }\nsunset_at = 2027-01-01\n'
        + '[routes.auto]\nauto = [{ when = { task = "code" }, use = "big" }, { use = "small" }]\n'
    )
    settings = load(tmp_path, toml)
    models = all_models(settings, [])
    assert [[each.name for each in tier] for tier in models["small"].tiers] == [["up/small"], ["small-at-spare"]]
    assert (models["small"].deployment.weight, models["small"].deployment.prefill) == (4, True)
    assert models["big"].route is not None
    assert models["big"].route.static == Static("Sorry.", "抱歉。")
    assert models["auto"].alias_of == "big"
    assert traffic_problems(settings) == []


def test_a_name_that_no_model_has_does_not_stop_the_start_but_is_told_by_check(tmp_path: Path) -> None:
    settings = load(tmp_path, UP + MODELS + '[routes.big]\nfallbacks = ["smal"]\nlocal = "added-later"\n')
    told = traffic_problems(settings)
    assert [(problem.path, problem.missing) for problem in told] == [("fallbacks[0]", True), ("local", True)]
    assert "did you mean 'small'?" in told[0].en
    assert all_models(settings, [])["big"].fallbacks == ()


def test_what_stands_beside_the_file_joins_it_and_the_file_wins(tmp_path: Path) -> None:
    settings = load(tmp_path, UP + MODELS + '[routes.best]\nprefer = ["new", "big"]\n')
    new, problems = read_deployment("up/new", {"model": "new", "provider": "up", "new_model": {}})
    again, _ = read_deployment("d", {"model": "big", "provider": "up", "new_model": {"vision": True}})
    assert new is not None
    assert again is not None
    assert not problems
    made = [offer_of(name, config, None) for name, config in (("up/new", new), ("d", again))]
    offers = [each for each in made if each is not None]
    traffic = traffic_of(settings)._replace(deployments={"up/new": new, "d": again}, offers=offers)
    models = models_of(settings, {}, [], traffic)
    assert [name for name in models if "moderation" not in name] == ["big", "small", "new", "best", "auto"]
    assert not models["big"].abilities.vision
    assert [each.name for tier in models["big"].tiers for each in tier] == ["up/big", "d"]
    assert models["best"].alias_of == "new"
    assert traffic_problems(settings, [], traffic) == []


_WORDS = st.sampled_from(
    ["up", "big", "small", "auto", "local", "", "a b", "x" * 300, "\n", "é", "http://1", "2026-01-01"]
)
_KEYS = st.sampled_from(
    (
        "base_url",
        "preset",
        "credentials",
        "headers",
        "proxy",
        "model",
        "provider",
        "fallbacks",
        "canary",
        "auto",
        "name",
    )
) | st.sampled_from(("alias_of", "prefer", "sunset_at", "tier", "weight", "api_key", "use", "static", "when", "among"))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats() | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS | _WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["providers", "models", "deployments", "routes"]), st.dictionaries(_WORDS, _VALUES))
)
def test_no_table_makes_anything_but_settings_or_problems(tables: dict[str, Any]) -> None:
    read = Reader({}, "hostile.toml", Path("/nowhere"))
    settings = _assemble(read, tables, {}, Path("/nowhere"), None, 0)
    assert (settings is None) == bool(read.problems)
    if settings is not None:
        assert all(isinstance(each, ProviderConfig) for each in settings.providers.values())
        all_models(settings, [])
