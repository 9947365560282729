"""What can be asked of a provider for nothing, and what its answer says of our key and of a model. Rules without a socket."""

import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from waystation.providers.model import Kind, ProviderConfig
from waystation.wire.http import Origin

AZURE_API_VERSION = "2024-10-21"
REGION = "us-east-1"
BASE_URLS: dict[Kind, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
}
KEY_PATHS = {"openrouter": "/key"}
"""By preset: where a key is asked about itself, because the list of models is open to everybody."""

_BEDROCK = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(?:\.cn)?)")

Verdict = Literal[
    "accepted",
    "refused",  # 401, 403: our key
    "region",  # it serves nobody where this server's address is
    "no_credit",
    "limited",
    "not_served",  # there is no such list, or no such API
    "no_api",  # it answers, with what is no list
    "down",
]


class Free(NamedTuple):
    """A request that costs nothing."""

    origin: Origin
    path: str  # of the list of models; one of them is below it
    query: str = ""

    @property
    def target(self) -> str:
        return self.path + self.query

    def of_one(self, model: str) -> str:
        """The target of one model."""
        query = self.query if "api-version" in self.query else ""
        return f"{self.path}/{quote(model.removeprefix('models/'), safe='')}{query}"


class Listing(NamedTuple):
    models: frozenset[str]
    whole: bool  # this is all of it


def origin_of(config: ProviderConfig) -> Origin:
    """Where its calls go. Raises ValueError, in words for who configured it."""
    url = config.base_url or BASE_URLS.get(config.kind, "")
    if not url and config.kind == "bedrock":
        url = f"https://bedrock-runtime.{config.region or REGION}.amazonaws.com"
    if not url:
        raise ValueError(f"the provider {config.name!r} needs a base_url")
    return Origin.parse(url)


def free_request(config: ProviderConfig) -> Free | None:
    """The list of models. None: this provider has none that can be found. Raises ValueError as `origin_of` does."""
    origin = origin_of(config)
    path, version = origin.path, config.api_version
    query = f"?api-version={quote(version, safe='')}" if version else ""
    if config.kind == "openai":
        return Free(origin, f"{path}/models", query)
    if config.kind == "azure":
        if path.endswith("/v1"):
            return Free(origin, f"{path}/models", query)
        query = query or f"?api-version={AZURE_API_VERSION}"
        return Free(origin, f"{path.removesuffix('/openai')}/openai/models", query)
    if config.kind == "anthropic":
        return Free(origin, f"{path.removesuffix('/v1')}/v1/models", "?limit=1000")
    if config.kind == "gemini":
        versioned = path.rpartition("/")[2].startswith("v1")
        return Free(origin, f"{path if versioned else f'{path}/v1beta'}/models", "?pageSize=1000")
    return _of_bedrock(origin)


def _of_bedrock(origin: Origin) -> Free | None:
    """Its models are listed by another host; a gateway in front of it has none that we could know."""
    match = _BEDROCK.fullmatch(origin.host)
    if match is None:
        return None
    return Free(Origin("https", f"bedrock.{match[1]}.{match[2]}", 443), "/foundation-models")


def judge(kind: Kind, status: int, body: bytes) -> Verdict:
    """What an answer to a free request means. Of the body only codes are looked at."""
    if status == 200:
        return "accepted" if listing(body) is not None else "no_api"
    if status in (401, 403):
        return "region" if b"unsupported_country_region_territory" in body else "refused"
    if kind == "gemini" and status == 400:
        if b"User location is not supported" in body:
            return "region"
        return "refused" if b"API_KEY_INVALID" in body or b"API key" in body else "no_api"
    if status == 402:
        return "no_credit"
    if status == 429:
        return "limited"
    if status in (404, 405, 501):
        return "not_served"
    return "down" if status >= 500 else "no_api"


def listing(body: bytes) -> Listing | None:
    """The names in a list of models, in any of the kinds' shapes. None: it is no such list."""
    try:
        said: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    if isinstance(said, list):  # as some compatible servers have it
        return Listing(_names(said), True)
    if not isinstance(said, dict):
        return None
    for field in ("data", "models", "modelSummaries"):
        found = said.get(field)
        if isinstance(found, list):
            return Listing(_names(found), not (said.get("has_more") or said.get("nextPageToken")))
    return None


def _names(items: Iterable[Any]) -> frozenset[str]:
    names: set[str] = set()
    for item in items:
        if isinstance(item, dict):
            for field in ("id", "name", "modelId", "modelArn"):
                name = item.get(field)
                if isinstance(name, str):
                    names.add(name.removeprefix("models/"))
    return frozenset(names)
