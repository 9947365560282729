"""`/v1/waystation/health`: how deployments and credentials stand, as routing has seen them."""

from waystation.errors import ServiceUnavailable
from waystation.http.v1.control import Asked, Control, Resource
from waystation.wire.drills import HealthObject


async def retrieve(control: Control, asked: Asked) -> HealthObject:
    if control.health is None:
        raise ServiceUnavailable("Only a server that answers calls knows how they went: ask that.")
    return control.health()


_SAYS = "Breakers, rests and latency, as the worker that was asked has seen them."
RESOURCES = (Resource("GET", "/waystation/health", retrieve, "retrieveHealth", _SAYS, HealthObject),)
