"""May they, and can the model do it: a call's request held against the model's abilities."""

from collections.abc import Mapping

from waystation.errors import InvalidRequest, Unsupported
from waystation.gateway.call import Call
from waystation.terms import Caller, Model, Operation
from waystation.wire.read import refuse_unknown, unknown_parameters

_INSTEAD = {
    Operation.CHAT: "/v1/chat/completions",
    Operation.COMPLETION: "/v1/completions",
    Operation.EMBEDDINGS: "/v1/embeddings",
    Operation.MODERATIONS: "/v1/moderations",
}


class Policy:
    """The checks that need the model. `models` is the view's own dict, asked only to say which model could have done it."""

    def __init__(self, models: Mapping[str, Model], *, strict: bool = False) -> None:
        self._models = models
        self._strict = strict  # parameters that OpenAI doesn't have are refused instead of passed on or ignored

    def admit(self, call: Call, caller: Caller, model: Model) -> Call:
        """Let the call pass as it is. Raises InvalidRequest or Unsupported with `param`."""
        abilities = model.abilities
        if call.operation not in abilities.operations:
            offered = " or ".join(sorted(_INSTEAD[operation] for operation in abilities.operations))
            raise InvalidRequest(
                f"The model `{model.name}` is not supported in the {_INSTEAD[call.operation]} endpoint. Use it with {offered}.",
                param="model",
                code="unsupported_endpoint",
            )
        request = call.request
        if self._strict:
            refuse_unknown(unknown_parameters(call.body, type(request)))
        if not abilities.vision and request.has_images:  # in this order: to look for images takes longer
            raise Unsupported(
                f"Invalid content type: the model `{model.name}` can't see images. {self._who_sees()}",
                param=request.image_param,
                code="invalid_value",
            )
        return call

    def _who_sees(self) -> str:
        seeing = sorted(model.name for model in self._models.values() if model.abilities.vision)
        if not seeing:
            return "No model configured here can; an administrator can add one with `vision = true`."
        return f"These can: {', '.join(seeing[:5])}."
