"""Each setting of the product: type, unit, default and a sentence. Read once, at start.

The docs page and `waystation settings` are printed from these declarations. Environment variables win over the TOML
file, which wins over the defaults. How values are read and mistakes are named is `settings_reader.py`.
"""

import re
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from waystation.catalogue.routing_model import DeploymentConfig, RouteConfig
from waystation.metering.price_reading import read_price
from waystation.providers.model import ProviderConfig
from waystation.settings_models import ModelSettings, check_traffic, read_deployments, read_models, read_routes
from waystation.settings_providers import CredentialSettings, ProviderSettings, read_providers
from waystation.settings_reader import Reader, SettingsError, nearest, setting
from waystation.terms import Secret
from waystation.wire.money import nano_of

__all__ = [
    "CredentialSettings",
    "ModelSettings",
    "ProviderSettings",
    "Secret",
    "Settings",
    "SettingsError",
    "load_settings",
    "nano_of",
    "read_price",
]

KIB, MIB = 1024, 1024 * 1024
WORKERS_MAX = 64
ENCRYPTION_KEY_CHARS_MIN = 16

# Variables that other parts read themselves, and those that Kubernetes makes up for a service called "waystation".
FOREIGN_VARIABLES = re.compile(
    r"WAYSTATION_(WORKER|CONFIG|DATA|MODEL_SOURCES|TEST_.*|SERVICE_(HOST|PORT.*)|PORT(_\d.*)?)$"
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The door: where it listens and what it lets through."""

    host: str = setting("127.0.0.1", "Address to listen on. Another than loopback opens the server to the network.")
    port: int = setting(8080, "Port to listen on; 0 takes a free one.", least=0, most=65535)
    workers: int = setting(
        1,
        "Gateway processes that share the port. What bounds connections, streams and waiting calls holds for each.",
        least=1,
        most=WORKERS_MAX,
    )
    drain_s: float = setting(30.0, "How long open answers may go on after a stop was asked for.", unit="s", least=0)
    keep_alive_s: float = setting(75.0, "How long an idle connection is kept.", unit="s", least=1)
    head_bytes_max: int = setting(64 * KIB, "Largest head of a request (line and headers).", unit="bytes", least=1024)
    head_time_s: float = setting(20.0, "Longest time for a request's head to arrive.", unit="s", least=0.1)
    body_bytes_max: int = setting(32 * MIB, "Largest body of a request, as sent.", unit="bytes", least=1024)
    body_decompressed_bytes_max: int = setting(
        64 * MIB, "Largest body of a request once it is unpacked.", unit="bytes", least=1024
    )
    body_time_s: float = setting(120.0, "Longest time for a request's body to arrive.", unit="s", least=0.1)
    write_stall_s: float = setting(
        120.0, "A client that reads nothing of its answer for this long is dropped.", unit="s", least=1
    )
    silence_s: float = setting(
        15.0, "A stream that is silent for this long gets a comment, so that no proxy closes it.", unit="s", least=1
    )
    connections_max: int = setting(10_000, "Open connections; one more is answered 503.", least=1)
    streams_max: int = setting(4_000, "Answers under way at once; one more is answered 503.", least=1)
    idempotency_s: int = setting(
        86_400, "How long the answer to a call with an Idempotency-Key is kept for repeats.", unit="s", least=60
    )
    strict_parameters: bool = setting(
        False, "Refuse parameters that OpenAI does not have, instead of passing them on or ignoring them."
    )
    pipelined_max: int = setting(32, "Requests that one connection may send ahead of their answers.", least=1)
    metrics_token: Secret | None = setting(None, "Bearer token for /metrics, which else answers loopback only.")


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The embedded models."""

    enabled: bool = setting(True, "Start local models. Off: only providers answer.")
    slots: int = setting(4, "Answers that one local model generates at once.", least=1, most=64)
    threads: int = setting(0, "Threads of one local model; 0 takes every core.", least=0, most=1024)
    queue_max: int = setting(64, "Calls that may wait for a local model; one more is answered 429.", least=0)


@dataclass(frozen=True, slots=True)
class MoneySettings:
    """Credit, and how long single calls are remembered."""

    signup_grant: str = setting(
        "5", "Credit that a new organization begins with, in its own currency, in quotes so that it stays exact."
    )
    usage_retention_days: int = setting(
        0,
        "How long the rows of single calls are kept; sums and books stay. 0 keeps them for ever.",
        unit="days",
        least=0,
        most=36_500,
    )
    usage_difference_percent: int = setting(
        50,
        "A provider's count of an answer's tokens that differs from ours by more is flagged in the call's row.",
        unit="percent",
        least=1,
        most=10_000,
    )

    @property
    def signup_grant_nano(self) -> int:
        return nano_of(self.signup_grant)


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """What is kept of calls and for them: responses, conversations, stored completions, files."""

    url: str = setting(
        "", "Where files are: a folder, or s3://bucket/prefix with the extra [s3]. Empty: files/ in the data folder."
    )
    encryption_key: Secret | None = setting(
        None,
        "Encrypts responses, conversations, stored completions, files and answers that are kept for repeats. Keep it: nothing "
        "opens them without.",
    )
    responses_days: int = setting(
        30, "How long responses and stored chat completions are kept.", unit="days", least=1, most=36_500
    )
    file_bytes_max: int = setting(512 * MIB, "Largest file that comes in one request.", unit="bytes", least=KIB)
    upload_bytes_max: int = setting(8 * 1024 * MIB, "Largest file that comes in parts.", unit="bytes", least=KIB)
    project_bytes_max: int = setting(100 * 1024 * MIB, "All files of a project together.", unit="bytes", least=KIB)


@dataclass(frozen=True, slots=True)
class JobsSettings:
    """Work that outlives its request: responses in the background, and what is tidied up."""

    enabled: bool = setting(True, "Run a process for such work beside the gateway workers.")
    concurrency: int = setting(16, "Jobs under way at once; others wait.", least=1, most=1_000)


@dataclass(frozen=True, slots=True)
class ModerationSettings:
    """The moderator of this machine: what it judges with, and from which score on a category is flagged."""

    enabled: bool = setting(True, "Offer `waystation-moderation`, which judges on this machine.")
    judge: bool = setting(True, "A local chat model judges beside the word lists. Off: the word lists alone.")
    judge_model: str = setting("", "The local chat model that judges. Empty: the built-in one.")
    judge_timeout_s: float = setting(
        20.0, "Longest time that all judgements of a call take; then the word lists alone count.", unit="s", least=0.1
    )
    judge_windows_max: int = setting(
        16, "Most parts of a call's texts that are judged, 400 characters each.", least=1, most=1024
    )
    words_file: Path | None = setting(None, "TOML file with words and regular expressions of your own by category.")
    harassment: float = setting(0.5, "From this score on `harassment` is flagged.", least=0, most=1)
    harassment_threatening: float = setting(
        0.5, "From this score on `harassment/threatening` is flagged.", least=0, most=1
    )
    hate: float = setting(0.5, "From this score on `hate` is flagged.", least=0, most=1)
    hate_threatening: float = setting(0.5, "From this score on `hate/threatening` is flagged.", least=0, most=1)
    illicit: float = setting(0.5, "From this score on `illicit` is flagged.", least=0, most=1)
    illicit_violent: float = setting(0.5, "From this score on `illicit/violent` is flagged.", least=0, most=1)
    self_harm: float = setting(0.5, "From this score on `self-harm` is flagged.", least=0, most=1)
    self_harm_intent: float = setting(0.5, "From this score on `self-harm/intent` is flagged.", least=0, most=1)
    self_harm_instructions: float = setting(
        0.5, "From this score on `self-harm/instructions` is flagged.", least=0, most=1
    )
    sexual: float = setting(0.5, "From this score on `sexual` is flagged.", least=0, most=1)
    sexual_minors: float = setting(0.5, "From this score on `sexual/minors` is flagged.", least=0, most=1)
    violence: float = setting(0.5, "From this score on `violence` is flagged.", least=0, most=1)
    violence_graphic: float = setting(0.5, "From this score on `violence/graphic` is flagged.", least=0, most=1)


@dataclass(frozen=True, slots=True)
class Settings:
    """All of them, as they hold for this start."""

    data: Path
    config: Path | None
    models_folder: Path
    database_url: str = field(repr=False)  # may hold a password
    server: ServerSettings
    engine: EngineSettings
    money: MoneySettings
    storage: StorageSettings
    moderation: ModerationSettings
    providers: dict[str, ProviderConfig]
    models: dict[str, ModelSettings]
    deployments: dict[str, DeploymentConfig] = field(default_factory=dict)
    routes: dict[str, RouteConfig] = field(default_factory=dict)
    jobs: JobsSettings = field(default_factory=JobsSettings)
    warnings: tuple[str, ...] = ()  # misspelt variables: said at start, no reason to refuse


def default_data(environ: Mapping[str, str]) -> Path:
    """The data folder when nobody names one: the XDG folder for data."""
    base = environ.get("XDG_DATA_HOME") or str(_home(environ) / ".local" / "share")
    return Path(base) / "waystation"


def default_models_folder(environ: Mapping[str, str]) -> Path:
    """Pulled models live in the user's cache, shared by all data folders."""
    base = environ.get("XDG_CACHE_HOME") or str(_home(environ) / ".cache")
    return Path(base) / "waystation" / "models"


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()


def load_settings(
    config: Path | None,
    data: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    at: int | None = None,
) -> Settings:
    """Read all settings. `overrides` are the command line's, by key ("server.port"), and win over everything.

    `at` (UTC seconds; now) says which of the price book's dated prices hold for models without a price of their own.
    Without a `config` it is WAYSTATION_CONFIG, else waystation.toml in the data folder where there is one.
    Raises SettingsError with every problem found.
    """
    data = _absolute(data or environ.get("WAYSTATION_DATA") or default_data(environ))
    named = config or environ.get("WAYSTATION_CONFIG")
    path = _absolute(named) if named else data / "waystation.toml"
    tables = _read_toml(path) if named or path.is_file() else None
    read = Reader(environ, str(path) if tables is not None else "settings", path.parent)
    at = int(time.time()) if at is None else at
    settings = _assemble(read, tables or {}, dict(overrides or {}), data, path if tables is not None else None, at)
    if settings is None:
        raise SettingsError(read.problems, read.in_chinese)
    return settings


def _absolute(path: Path | str) -> Path:
    return Path.cwd() / Path(path).expanduser()


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError([f"{path}: there is no such file; name another with --config"]) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError([f"{path}: can't be read: {error}"]) from None


TOPICS = ("server", "engine", "money", "storage", "jobs", "moderation", "providers", "models", "deployments", "routes")


def _assemble(
    read: Reader, tables: dict[str, Any], overrides: dict[str, object], data: Path, config: Path | None, at: int
) -> Settings | None:
    known = (*TOPICS, "models_folder", "database_url")
    for key in tables:
        if key not in known:
            read.complain(key, f"is not a setting{nearest(key, known)}")
    given = {
        topic: _given(overrides, topic) for topic in ("server", "engine", "money", "storage", "jobs", "moderation")
    }
    server = read.topic(ServerSettings, "server", tables.get("server", {}), over=given["server"])
    engine = read.topic(EngineSettings, "engine", tables.get("engine", {}), over=given["engine"])
    money = read.topic(MoneySettings, "money", tables.get("money", {}), over=given["money"])
    storage = read.topic(StorageSettings, "storage", tables.get("storage", {}), over=given["storage"])
    jobs = read.topic(JobsSettings, "jobs", tables.get("jobs", {}), over=given["jobs"])
    moderation = read.topic(ModerationSettings, "moderation", tables.get("moderation", {}), over=given["moderation"])
    if money is not None:
        _check_money(read, money)
    if storage is not None:
        _check_storage(read, storage)
    providers = read_providers(read, tables.get("providers", {}))
    named = set(tables["providers"]) if isinstance(tables.get("providers"), dict) else set()
    models = read_models(read, tables.get("models", {}), named, providers, at)
    deployments = read_deployments(read, tables.get("deployments", {}))
    routes = read_routes(read, tables.get("routes", {}))
    if not read.problems:  # half of the picture would make more problems than there are
        check_traffic(read, models, deployments, routes, named)
    models_folder = _text(read, "WAYSTATION_MODELS", "models_folder", tables)
    database_url = _text(read, "WAYSTATION_DATABASE_URL", "database_url", tables)
    if server is None or engine is None or money is None or storage is None or jobs is None or moderation is None:
        return None  # each has its problems there
    if read.problems:
        return None
    return Settings(
        data=data,
        config=config,
        models_folder=_absolute(models_folder) if models_folder else default_models_folder(read.environ),
        database_url=database_url or f"sqlite:///{data / 'waystation.db'}",
        server=server,
        engine=engine,
        money=money,
        storage=storage,
        moderation=moderation,
        providers=providers,
        models=models,
        deployments=deployments,
        routes=routes,
        jobs=jobs,
        warnings=_misspelt(read),
    )


def _check_money(read: Reader, money: MoneySettings) -> None:
    try:
        nano_of(money.signup_grant)
    except ValueError as error:
        read.complain("money.signup_grant", str(error))


def _check_storage(read: Reader, storage: StorageSettings) -> None:
    key = storage.encryption_key
    if key is not None and len(key.reveal()) < ENCRYPTION_KEY_CHARS_MIN:
        read.complain("storage.encryption_key", f"must have at least {ENCRYPTION_KEY_CHARS_MIN} characters")


def _given(overrides: dict[str, object], topic: str) -> dict[str, object]:
    return {key.partition(".")[2]: value for key, value in overrides.items() if key.startswith(f"{topic}.")}


def _text(read: Reader, variable: str, key: str, tables: dict[str, Any]) -> str | None:
    try:
        text = read.variable(variable)
    except ValueError as error:
        read.problems.append(f"environment: {variable} {error}")
        return None
    value = text or tables.get(key)
    if value is not None and not isinstance(value, str):
        read.complain(key, "must be a text in quotes")
        return None
    return value


def _misspelt(read: Reader) -> tuple[str, ...]:
    known = read.variables | {"WAYSTATION_DATA", "WAYSTATION_CONFIG"}
    return tuple(
        f"environment: {name} is not a setting{nearest(name, known)}"
        for name in sorted(read.environ)
        if name.startswith("WAYSTATION_") and name not in known and not FOREIGN_VARIABLES.fullmatch(name)
    )
