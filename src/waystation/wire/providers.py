"""Providers and credentials of the control plane: what is asked for, and how one is shown. A secret is only ever asked for."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from waystation.wire.answers import Shape
from waystation.wire.listing import Listing
from waystation.wire.messages import Exact

Kind = Literal["openai", "azure", "anthropic", "gemini", "bedrock"]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Text = Annotated[str, Meta(max_length=2_000)]
Pem = Annotated[str, Meta(max_length=20_000)]  # a path, or the text itself
Headers = Annotated[dict[str, str], Meta(max_length=64)]
HostedTools = Annotated[list[Name], Meta(max_length=64)]
SecretText = Annotated[str, Meta(min_length=1, max_length=8_200)]


class CreateProvider(Exact, frozen=True, gc=False, kw_only=True):
    """`base_url`, or a `preset` or kind that has one. Null: the preset's, else the kind's default."""

    name: Name
    kind: Kind | None = None
    preset: Name | None = None
    base_url: Text | None = None
    proxy: Text | None = None  # http://, https://, socks5:// or socks5h://, with user:password@ if need be
    ca_file: Pem | None = None  # trusted in addition to the machine's own
    client_cert_file: Pem | None = None
    client_key_file: Pem | None = None
    headers: Headers | None = None
    connect_timeout_s: float | None = None
    first_byte_timeout_s: float | None = None
    idle_timeout_s: float | None = None
    total_timeout_s: float | None = None
    region: Name | None = None
    api_version: Name | None = None
    concurrency_max: int | None = None
    responses: bool | None = None  # it speaks the Responses API
    hosted_tools: HostedTools | None = None  # that it runs itself, in that API: "web_search", …
    allow_private_network: bool | None = None

    def __repr__(self) -> str:
        return "CreateProvider(…)"  # a proxy, headers and a key may be secret


class UpdateProvider(Exact, frozen=True, gc=False, kw_only=True):
    """What is left out stays as it is; null goes back to the default."""

    kind: Kind | UnsetType | None = UNSET
    preset: Name | UnsetType | None = UNSET
    base_url: Text | UnsetType | None = UNSET
    proxy: Text | UnsetType | None = UNSET
    ca_file: Pem | UnsetType | None = UNSET
    client_cert_file: Pem | UnsetType | None = UNSET
    client_key_file: Pem | UnsetType | None = UNSET
    headers: Headers | UnsetType | None = UNSET
    connect_timeout_s: float | UnsetType | None = UNSET
    first_byte_timeout_s: float | UnsetType | None = UNSET
    idle_timeout_s: float | UnsetType | None = UNSET
    total_timeout_s: float | UnsetType | None = UNSET
    region: Name | UnsetType | None = UNSET
    api_version: Name | UnsetType | None = UNSET
    concurrency_max: int | UnsetType | None = UNSET
    responses: bool | UnsetType | None = UNSET
    hosted_tools: HostedTools | UnsetType | None = UNSET
    allow_private_network: bool | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return "UpdateProvider(…)"


class ProviderObject(Shape, frozen=True, kw_only=True):
    """A provider. What may be secret in it (a proxy's password, some headers, a private key) is shown as ***."""

    id: str  # its name
    object: Literal["provider"] = "provider"
    name: str
    source: Literal["file", "api"]  # what the file has is changed there
    kind: str
    preset: str | None
    base_url: str
    proxy: str | None
    ca_file: str | None
    client_cert_file: str | None
    client_key_file: str | None
    headers: dict[str, str]
    connect_timeout_s: float
    first_byte_timeout_s: float
    idle_timeout_s: float
    total_timeout_s: float
    region: str | None
    api_version: str | None
    concurrency_max: int | None
    responses: bool | None
    hosted_tools: list[str] | None
    allow_private_network: bool
    problem: str | None  # why it can't be used at the moment
    created_at: int | None  # null: the file's
    updated_at: int | None


class ProviderList(Listing, frozen=True, kw_only=True):
    data: list[ProviderObject]


class TestProvider(Exact, frozen=True, gc=False, kw_only=True):
    """`model`: its name at the provider, to be looked for there. Nothing is asked that costs anything."""

    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None


class Words(Shape, frozen=True, kw_only=True):
    """For people, in both languages."""

    en: str
    zh: str


class ProviderHop(Shape, frozen=True, kw_only=True):
    """One step of the way to a provider."""

    name: str  # "name", "proxy", "connect", "tls", "authentication", "model": in this order
    outcome: Literal["ok", "failed", "skipped"]
    ms: int | None
    found: Words
    next_step: Words | None


class ProviderTest(Shape, frozen=True, kw_only=True):
    """How far a request to a provider gets, hop by hop."""

    object: Literal["provider.test"] = "provider.test"
    provider: str
    ok: bool
    hops: list[ProviderHop]


class CreateCredential(Exact, frozen=True, gc=False, kw_only=True):
    provider: Name  # of the API or of the file
    name: Name
    secret: SecretText
    weight: int = 1

    def __repr__(self) -> str:
        return f"CreateCredential({self.provider!r}, {self.name!r}, …)"


class UpdateCredential(Exact, frozen=True, gc=False, kw_only=True):
    """What is left out stays as it is. A new `secret` takes the place of the old one at once."""

    name: Name | None = None
    secret: SecretText | None = None
    weight: int | None = None
    enabled: bool | None = None

    def __repr__(self) -> str:
        return "UpdateCredential(…)"


class CredentialDisabled(Shape, frozen=True, kw_only=True):
    reason: Literal["administrator", "refused"]  # "refused": by the provider
    detail: str
    at: int


class CredentialObject(Shape, frozen=True, kw_only=True):
    """What a provider is shown. Its secret can't be read back."""

    id: str
    object: Literal["credential"] = "credential"
    provider: str
    name: str
    source: Literal["file", "api"]
    redacted: str
    weight: int
    enabled: bool
    disabled: CredentialDisabled | None
    problem: str | None  # why it can't be used, although it is enabled
    created_at: int | None
    updated_at: int | None


class CredentialList(Listing, frozen=True, kw_only=True):
    data: list[CredentialObject]
