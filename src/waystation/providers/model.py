"""A provider as it is configured, whether in the TOML file or through the control plane: plain data."""

from typing import Literal

import msgspec

from waystation.terms import Credential

Kind = Literal["openai", "azure", "anthropic", "gemini", "bedrock"]


class Tls(msgspec.Struct, frozen=True):
    """How its certificate is checked, and what we show. PEM texts, or files that hold them."""

    ca_file: str | None = None  # trusted in addition to the machine's own
    client_cert_file: str | None = None
    client_key_file: str | None = None

    def __repr__(self) -> str:  # a key may be among them
        return "Tls(…)"


class ProviderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`base_url` is where its API begins. Whatever is None is the preset's, else the kind's default."""

    name: str
    kind: Kind = "openai"
    preset: str | None = None  # "deepseek", "dashscope", "vllm" … (`providers/openai/presets.py`): base URL and quirks
    base_url: str = ""
    credentials: tuple[Credential, ...] = ()
    proxy: str | None = None  # http://, https://, socks5:// or socks5h://, with user:password@ if need be
    tls: Tls = Tls()
    headers: dict[str, str] = {}
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 120.0
    idle_timeout_s: float = 60.0
    total_timeout_s: float = 600.0
    region: str | None = None  # Bedrock's; where else a provider has one
    api_version: str | None = None  # Azure's, Anthropic's
    concurrency_max: int | None = None
    responses: bool | None = None  # it speaks the Responses API
    hosted_tools: tuple[str, ...] | None = None  # that it runs itself, in that API: "web_search", …
    allow_private_network: bool = False  # its host may have an address that is not public

    def __repr__(self) -> str:  # a proxy's password and a header's token are nobody's to read
        return f"ProviderConfig(name={self.name!r}, kind={self.kind!r}, base_url={self.base_url!r}, …)"
