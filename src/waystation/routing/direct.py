"""Where a call goes while each model has one deployment: straight to its provider."""

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from waystation.errors import ServiceUnavailable
from waystation.gateway.call import Call
from waystation.terms import Event, Model, Target


class Provider(Protocol):
    """What serves deployments: an upstream's dialect, or the engine."""

    def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        """The answer's events; the last one is Done. Closing the generator cancels the call upstream."""


class Direct:
    """One attempt at the model's deployment."""

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = providers

    def attempt(self, call: Call, model: Model) -> AsyncGenerator[Event]:
        """The events of the deployment's provider, as they come. Raises ServiceUnavailable when there is none."""
        provider = self._providers.get(model.deployment.provider)
        if provider is None:
            raise ServiceUnavailable(f"The provider of the model `{model.name}` is not running.", retry_after_ms=2000)
        call.deployment = model.deployment.name
        call.attempts = 1
        return provider.send(call, Target(model.deployment, model))
