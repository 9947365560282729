"""`[providers.NAME]`: its settings, and how they become what the rest of the product knows a provider by."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from waystation.catalogue.routing_model import PRESETS, Problem, check_files, check_provider, filled
from waystation.providers.model import ProviderConfig, Tls
from waystation.settings_reader import Reader, named_tables, setting
from waystation.terms import Credential, Secret

DEFAULT_CREDENTIAL = "default"  # the name of the one that `api_key` is

_KEY = "Key for it. `api_key_file` reads it from a file, `api_key_env` from an environment variable."


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """`[providers.NAME]`: a server that answers with models, how it is reached, and the keys for it."""

    name: str
    kind: Literal["openai", "azure", "anthropic", "gemini", "bedrock"] = setting(
        "openai", 'The API that it speaks. "openai" is any OpenAI-compatible one; a preset knows its own.'
    )
    preset: str | None = setting(
        None, f"A known provider, which brings base URL and quirks: {', '.join(sorted(PRESETS))}."
    )
    base_url: str = setting("", "Base URL of its API, http or https, mostly with /v1 at the end. Else the preset's.")
    api_key: Secret | None = setting(None, _KEY)
    proxy: str | None = setting(
        None,
        "Proxy on the way to it: http://, https://, socks5:// or socks5h:// (which resolves names itself), "
        "with user:password@ if need be.",
        printed=False,
    )
    ca_file: Path | None = setting(None, "PEM file of certificates that are trusted in addition to the machine's own.")
    client_cert_file: Path | None = setting(None, "PEM file of the certificate that we show.")
    client_key_file: Path | None = setting(None, "PEM file of its key, where that isn't in the same file.")
    connect_timeout_s: float = setting(5.0, "Longest wait for a connection.", unit="s", least=0.1)
    first_byte_timeout_s: float = setting(120.0, "Longest wait for the answer's first byte.", unit="s", least=0.1)
    idle_timeout_s: float = setting(60.0, "Longest silence within an answer.", unit="s", least=0.1)
    total_timeout_s: float = setting(600.0, "Longest time for a whole answer.", unit="s", least=1)
    headers: dict[str, str] = field(
        default_factory=dict, repr=False, metadata={"sentence": "Headers that every request to it carries."}
    )
    region: str | None = setting(None, "Region, where it has some: Bedrock.")
    api_version: str | None = setting(None, "Version of its API, where it has some: Azure, Anthropic.")
    concurrency_max: int | None = setting(
        None, "Calls under way there at once, of each gateway process. More of them go elsewhere or wait.", least=1
    )
    responses: bool | None = setting(
        None, "It speaks the Responses API: its calls are passed on as they came. Else the preset's, or translated."
    )
    hosted_tools: tuple[str, ...] | None = setting(
        None, 'Tools that it runs itself in that API, as ["web_search"]. Else the preset\'s.'
    )
    allow_private_network: bool = setting(
        False,
        "Its host may have an address that is not public. Not needed for this machine's loopback address nor for the "
        "presets of local servers.",
    )


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """`[[providers.NAME.credentials]]`: one key of a pool. Calls are shared out among them, and each fails alone."""

    name: str = field(metadata={"sentence": "Name of this key, for people: in logs, commands and the console."})
    api_key: Secret | None = setting(None, _KEY)
    weight: int = setting(1, "Its part of the calls; 0: only when all others rest.", least=0)
    enabled: bool = setting(True, "Whether it is used.")


def read_providers(read: Reader, tables: Any) -> dict[str, ProviderConfig]:
    """All providers by name, filled with what their presets say. What is wrong is told to the reader."""
    found: dict[str, ProviderConfig] = {}
    for name, table in named_tables(read, "providers", tables):
        table = _with_key_of_variable(read, f"providers.{name}", table)
        credentials = table.pop("credentials", [])
        also = ("api_key_env", "credentials")
        settings = read.topic(ProviderSettings, f"providers.{name}", table, also=also, name=name)
        pool = _pool(read, name, credentials)
        if settings is None:
            continue
        config = provider_config(settings, pool)
        problems = [*check_provider(config), *check_files(config)]
        for problem in problems:
            _tell(read, problem, has_default=settings.api_key is not None)
        found[name] = filled(config)
    return found


def provider_config(settings: ProviderSettings, pool: tuple[Credential, ...] = ()) -> ProviderConfig:
    """As it was written, with `api_key` as the first credential of the pool."""
    if settings.api_key is not None:
        pool = (Credential(f"{settings.name}/{DEFAULT_CREDENTIAL}", DEFAULT_CREDENTIAL, settings.api_key), *pool)
    same = {
        name: getattr(settings, name) for name in ProviderConfig.__struct_fields__ if name not in ("credentials", "tls")
    }
    files = (settings.ca_file, settings.client_cert_file, settings.client_key_file)
    tls = Tls(*(None if path is None else str(path) for path in files))
    return ProviderConfig(**same, credentials=pool, tls=tls)


def _pool(read: Reader, provider: str, tables: Any) -> tuple[Credential, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        read.complain(
            f"providers.{provider}.credentials",
            f"must be tables: write [[providers.{provider}.credentials]] above each",
            f"必须是表：请在每一项上方写 [[providers.{provider}.credentials]]",
        )
        return ()
    found = []
    for index, table in enumerate(tables):
        prefix = f"providers.{provider}.credentials[{index}]"
        given = read.topic(
            CredentialSettings, prefix, _with_key_of_variable(read, prefix, table), also=("api_key_env",)
        )
        if given is None:
            continue
        if given.api_key is None:
            read.complain(
                f"{prefix}.api_key", f"is missing: {_KEY}", "缺失：请填写密钥，或用 `api_key_file` / `api_key_env`"
            )
        identifier = f"{provider}/{given.name}"
        found.append(Credential(identifier, given.name, given.api_key, given.weight, disabled=not given.enabled))
    return tuple(found)


def _with_key_of_variable(read: Reader, prefix: str, table: dict[str, Any]) -> dict[str, Any]:
    """The table with the key that `api_key_env` names."""
    table = dict(table)
    variable = table.pop("api_key_env", None)
    if variable is not None:
        key = read.environ.get(str(variable), "")
        if key:
            table.setdefault("api_key", key)
        else:
            read.complain(f"{prefix}.api_key_env", f"names {variable}, which is not set", f"引用的 {variable} 未设置")
    return table


def _tell(read: Reader, problem: Problem, *, has_default: bool) -> None:
    """As in the file: there `api_key` is not one of the `credentials`."""
    path = problem.path
    if has_default and path.startswith("credentials["):
        number, _, rest = path.removeprefix("credentials[").partition("]")
        path = "api_key" if number == "0" else f"credentials[{int(number) - 1}]{rest}"
    read.complain(problem._replace(path=path).key, problem.en, problem.zh)


def without_pool(config: ProviderConfig) -> ProviderSettings:
    """A provider as one with a single key, for who knows no pools."""
    plain = {
        name: getattr(config, name) for name in ("name", "kind", "preset", "base_url", "headers", "concurrency_max")
    }
    times = {
        name: getattr(config, name)
        for name in ("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s", "total_timeout_s")
    }
    key = next((each.secret for each in config.credentials if not each.disabled), None)
    return ProviderSettings(**plain, **times, api_key=key)
