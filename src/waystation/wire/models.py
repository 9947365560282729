"""What GET /v1/models and GET /v1/models/{model} answer with."""

from collections.abc import Iterable
from typing import Literal

import msgspec


class ModelObject(msgspec.Struct, frozen=True, kw_only=True):
    """A model as OpenAI lists it."""

    id: str
    object: Literal["model"] = "model"
    created: int  # UTC seconds
    owned_by: str


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[ModelObject]


def model_list(models: Iterable[ModelObject]) -> ModelList:
    """A list in a steady order: by name."""
    return ModelList(data=sorted(models, key=lambda model: model.id))
