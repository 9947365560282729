"""The rows of a fleet and what they are joined with, as plain data. No database, no rules."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from waystation.fleet.nouns import DeploymentConfig, ModelFacts, RouteConfig
from waystation.providers.model import Kind, ProviderConfig, Tls
from waystation.terms import Credential

FLEET_TOPIC, DRILLS_TOPIC = "fleet", "drills"  # of changes; the subject is a name or an id

PROVIDERS_MAX = 1_000
CREDENTIALS_PER_PROVIDER_MAX = 100
DEPLOYMENTS_MAX = 10_000
DEPLOYMENTS_PER_MODEL_MAX = 100
ROUTES_MAX = 10_000
DRILLS_PER_PROJECT_MAX = 20
DRILL_S_MAX = 3_600
DRILLS_KEPT_S = 30 * 86_400  # after they have ended
NOTICES_MAX = 10_000  # the newest are kept

Source = Literal["file", "api"]
DrillKind = Literal["provider", "deployment", "credential"]


class ProviderFields(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A provider as the API has it: flat, without its name and its credentials. None: the preset's, else the kind's."""

    kind: Kind = "openai"
    preset: str | None = None
    base_url: str = ""
    proxy: str | None = None
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    headers: dict[str, str] = {}
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 120.0
    idle_timeout_s: float = 60.0
    total_timeout_s: float = 600.0
    region: str | None = None
    api_version: str | None = None
    concurrency_max: int | None = None
    responses: bool | None = None
    hosted_tools: tuple[str, ...] | None = None
    allow_private_network: bool = False

    def __repr__(self) -> str:
        return f"ProviderFields({self.kind!r}, …)"  # its proxy, its headers and its key may be secret


_TLS = ("ca_file", "client_cert_file", "client_key_file")
_SHARED = tuple(name for name in ProviderFields.__struct_fields__ if name not in _TLS)


def config_of(name: str, fields: ProviderFields, credentials: tuple[Credential, ...]) -> ProviderConfig:
    tls = Tls(fields.ca_file, fields.client_cert_file, fields.client_key_file)
    shared = {each: getattr(fields, each) for each in _SHARED}
    return ProviderConfig(name=name, credentials=credentials, tls=tls, **shared)


def fields_of(config: ProviderConfig) -> ProviderFields:
    shared = {each: getattr(config, each) for each in _SHARED}
    return ProviderFields(**shared, **{each: getattr(config.tls, each) for each in _TLS})


class ProviderRow(msgspec.Struct, frozen=True):
    name: str
    fields: ProviderFields  # without what is sealed
    sealed: bytes | None  # what of it may be secret: the JSON of those fields
    created_at: int
    updated_at: int


class CredentialRow(msgspec.Struct, frozen=True):
    id: str
    provider: str
    name: str
    sealed: bytes
    redacted: str
    weight: int
    created_at: int
    updated_at: int


class CredentialState(msgspec.Struct, frozen=True):
    """Why a credential is not in use."""

    credential_id: str
    provider: str
    reason: Literal["administrator", "refused"]
    detail: str
    disabled_at: int


class DeploymentRow(msgspec.Struct, frozen=True):
    id: str
    name: str
    config: DeploymentConfig
    price: Any  # of its new model, as the configuration writes prices; None: there is no new model
    created_at: int
    updated_at: int


class RouteRow(msgspec.Struct, frozen=True):
    name: str
    config: RouteConfig
    created_at: int
    updated_at: int


class Drill(msgspec.Struct, frozen=True):
    """For calls of one project, `subject` is taken for down until then."""

    id: str
    project_id: str
    kind: DrillKind
    subject: str
    until_at: int
    ended_at: int | None  # it was stopped before
    created_at: int

    def is_on(self, now: int) -> bool:
        return self.ended_at is None and now < self.until_at


class Notice(msgspec.Struct, frozen=True):
    """Something that an administrator should know."""

    id: int
    at: int
    kind: str
    subject: str
    detail: dict[str, Any]


class FleetRows(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, as one transaction saw it."""

    providers: tuple[ProviderRow, ...] = ()
    credentials: tuple[CredentialRow, ...] = ()
    states: Mapping[str, CredentialState] = {}  # by the credential's id, also of the file's
    deployments: tuple[DeploymentRow, ...] = ()
    routes: tuple[RouteRow, ...] = ()


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration file and the engine have: listed like rows, never changed by the API."""

    providers: Mapping[str, ProviderConfig] = {}
    models: Mapping[str, ModelFacts] = {}  # with the local ones; each is a deployment of its own
    deployments: Mapping[str, DeploymentConfig] = {}
    routes: Mapping[str, RouteConfig] = {}
