"""The older form of a provider's configuration (`settings.ProviderSettings`) as a ProviderConfig."""

from collections.abc import Mapping
from typing import Protocol

from waystation.providers.model import ProviderConfig
from waystation.terms import Credential, Secret


class Key(Protocol):
    def reveal(self) -> str: ...


class Settings(Protocol):
    """An OpenAI-compatible server and the one key for it."""

    @property
    def name(self) -> str: ...
    @property
    def base_url(self) -> str: ...
    @property
    def api_key(self) -> Key | None: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def connect_timeout_s(self) -> float: ...
    @property
    def first_byte_timeout_s(self) -> float: ...
    @property
    def idle_timeout_s(self) -> float: ...
    @property
    def total_timeout_s(self) -> float: ...


def configured(settings: Settings) -> ProviderConfig:
    key = settings.api_key
    credentials = () if key is None else (Credential(f"{settings.name}/key", "key", Secret(key.reveal())),)
    return ProviderConfig(
        name=settings.name,
        base_url=settings.base_url,
        credentials=credentials,
        headers=dict(settings.headers),
        connect_timeout_s=settings.connect_timeout_s,
        first_byte_timeout_s=settings.first_byte_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        total_timeout_s=settings.total_timeout_s,
    )
