"""Which model a call's name means."""

from collections.abc import Mapping

from waystation.errors import ModelNotFound
from waystation.gateway.call import Call
from waystation.terms import Caller, Model


class Catalogue:
    """Models by name. `models` is the view's own dict, so an added model is there as soon as the view knows."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = models

    def resolve(self, call: Call, caller: Caller) -> Model:
        """The model of a call. Raises ModelNotFound in OpenAI's words."""
        return self.named(call.request.model)

    def named(self, name: str) -> Model:
        model = self._models.get(name)
        if model is None:
            raise ModelNotFound(
                f"The model `{name[:200]}` does not exist or you do not have access to it. GET /v1/models lists those that do."
            )
        return model

    def listed(self) -> list[Model]:
        return list(self._models.values())
