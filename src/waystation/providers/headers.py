"""The headers by which each kind of provider knows us: one pure function for its calls, its test and its probe."""

from waystation import __version__
from waystation.providers.model import Kind, ProviderConfig
from waystation.terms import Credential

ANTHROPIC_VERSION = "2023-06-01"

KEY_HEADERS: dict[Kind, str] = {
    "openai": "authorization",
    "azure": "api-key",
    "anthropic": "x-api-key",
    "gemini": "x-goog-api-key",
}
"""Bedrock has none: what it is shown is made for each request (`providers/bedrock/`)."""


def headers_of(kind: Kind, credential: Credential, config: ProviderConfig) -> list[tuple[str, str]]:
    """Names in lower case, in a fixed order. What an administrator has set wins over what is said by itself.

    The pairs hold the secret: they are for `encode_headers` alone, which raises ValueError for what no header may hold.
    """
    headers = {
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": f"waystation/{__version__}",
    }
    if kind == "anthropic":
        headers["anthropic-version"] = config.api_version or ANTHROPIC_VERSION
    name = KEY_HEADERS.get(kind)
    if name is not None and credential.secret is not None:
        key = credential.secret.reveal()
        headers[name] = f"Bearer {key}" if name == "authorization" else key
    headers |= {name.lower(): value for name, value in config.headers.items()}
    return list(headers.items())
