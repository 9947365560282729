"""What stories of providers, deployments and routes begin with: a provider and a model, made through the API."""

from typing import Any

from tests.unit.http.control_stand import Stand
from waystation.cli.first_start import make_secret_key

P, C, D, R = (f"/waystation/{each}" for each in ("providers", "credentials", "deployments", "routes"))
PUBLIC = "https://api.example.com/v1"
SECRET = "sk-upstream-0123456789abcdef"
FREE: dict[str, Any] = {"price": 0}
FILE = """
[providers.filed]
base_url = "https://filed.example.com/v1"
api_key = "sk-of-the-file-0123456789"
headers = { "x-api-token" = "hush-hush-hush", "x-team" = "blue" }

[models.filed-chat]
provider = "filed"
price = 0
"""


def keyed(s: Stand) -> None:
    """Give the data folder its secret key, as a first start does."""
    make_secret_key(s.worker.settings.data)


async def provider(s: Stand, name: str = "blue", **given: Any) -> Any:
    return await s.post(P, {"name": name, "base_url": PUBLIC, **given})


async def deployment(s: Stand, model: str = "m", at: str = "blue", **given: Any) -> Any:
    return await s.post(D, {"model": model, "provider": at, "new_model": FREE, **given})


def control_of(s: Stand) -> Any:
    return s.worker.control()
