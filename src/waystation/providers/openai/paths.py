"""How a provider of OpenAI's dialect is addressed: paths and headers. Azure's older form has the deployment in the path."""

from urllib.parse import quote

from waystation import __version__
from waystation.providers.model import ProviderConfig
from waystation.providers.openai.presets import AZURE_API_VERSION, AZURE_RESPONSES, preset_of
from waystation.terms import Credential, Operation
from waystation.wire.http import HeaderBlock, encode_headers

PATHS = {
    Operation.CHAT: "/chat/completions",
    Operation.COMPLETION: "/completions",
    Operation.EMBEDDINGS: "/embeddings",
    Operation.MODERATIONS: "/moderations",
}


def paths_of(config: ProviderConfig, base_path: str, upstream_model: str) -> dict[Operation, str]:
    """The request targets of a deployment.

    Azure's v1 form, whose base URL ends in /openai/v1, is like OpenAI's. The older one is below /openai/deployments/NAME and
    wants an api-version; its base URL is that of the resource, with or without /openai.
    """
    query = f"?api-version={quote(config.api_version, safe='')}" if config.api_version else ""
    if preset_of(config).name == "azure" and not base_path.endswith("/v1"):
        begin = base_path.removesuffix("/openai") + f"/openai/deployments/{quote(upstream_model, safe='')}"
        query = query or f"?api-version={AZURE_API_VERSION}"
    else:
        begin = base_path
    return {operation: begin + path + query for operation, path in PATHS.items()}


def responses_path(config: ProviderConfig, base_path: str) -> str:
    """The request target of the Responses API, which has the model in the body everywhere, Azure's older form too."""
    query = f"?api-version={quote(config.api_version, safe='')}" if config.api_version else ""
    if preset_of(config).name == "azure" and not base_path.endswith("/v1"):
        return base_path.removesuffix("/openai") + "/openai/responses" + (query or f"?api-version={AZURE_RESPONSES}")
    return base_path + "/responses" + query


def probe_path(config: ProviderConfig, base_path: str) -> str | None:
    """The target of a GET that costs nothing and tells whether the provider is there; None: there is none."""
    preset = preset_of(config)
    if preset.probe is None:
        return None
    query = f"?api-version={quote(config.api_version, safe='')}" if config.api_version else ""
    if preset.name == "azure" and not base_path.endswith("/v1"):
        query = query or f"?api-version={AZURE_API_VERSION}"
        return base_path.removesuffix("/openai") + "/openai" + preset.probe + query
    return base_path + preset.probe + query


def header_block(config: ProviderConfig, key_header: str, credential: Credential) -> HeaderBlock:
    """The headers of every request with this credential. What an administrator has set wins. Raises ValueError."""
    headers = {
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": f"waystation/{__version__}",
    }
    if credential.secret is not None:
        key = credential.secret.reveal()
        headers[key_header] = f"Bearer {key}" if key_header == "authorization" else key
    for name, value in config.headers.items():
        headers[name.lower()] = value
    return encode_headers(list(headers.items()))
