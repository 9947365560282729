"""What the rules may ask about a call. Each answer is found when it is first asked for: most calls are asked little."""

from functools import cached_property
from typing import Any

from waystation.catalogue.routing_nouns import Task
from waystation.catalogue.tasks import task_of
from waystation.gateway.call import Call
from waystation.metering.guess import tokens_of_bytes
from waystation.terms import Model


class Question:
    """A call as the rules see it, whatever its dialect: what a request doesn't have, it doesn't ask for."""

    def __init__(self, call: Call) -> None:
        self.operation = call.operation
        self._request: Any = call.request

    @cached_property
    def has_images(self) -> bool:
        return bool(getattr(self._request, "has_images", False))

    @cached_property
    def has_tools(self) -> bool:
        return bool(getattr(self._request, "tools", None) or getattr(self._request, "functions", None))

    @cached_property
    def wants_json(self) -> bool:
        """Whether the answer must be JSON: of a schema, or of any form."""
        asked = getattr(self._request, "response_format", None) or getattr(self._request, "output_format", None)
        kind = None if asked is None else getattr(type(asked), "__struct_config__", None)
        return asked is not None and getattr(kind, "tag", None) != "text"

    @cached_property
    def input_tokens(self) -> int:
        """Guessed from the text's bytes; pictures count nothing here."""
        text = getattr(self._request, "prompt_text", "") or ""
        return tokens_of_bytes(len(text.encode("utf-8", "replace")))

    @cached_property
    def task(self) -> Task:
        return task_of(_last_words(self._request))

    def can_be_answered_by(self, model: Model) -> bool:
        """Whether a model has what the call asks for, as far as `policy` would refuse it otherwise."""
        abilities = model.abilities
        if self.operation not in abilities.operations:
            return False
        return (abilities.vision or not self.has_images) and (abilities.tools or not self.has_tools)


def _last_words(request: Any) -> str:
    """The text of the user's last message; of a completion its prompt."""
    for message in reversed(getattr(request, "messages", None) or ()):
        if _role(message) == "user":
            content = message.content
            if isinstance(content, str):
                return content
            texts = (getattr(part, "text", None) for part in content or ())
            return "\n".join(text for text in texts if isinstance(text, str))
    prompt = getattr(request, "prompt", None)
    return prompt if isinstance(prompt, str) else ""


def _role(message: Any) -> str | None:
    """A message's role: a field of its own, or the tag that tells the messages apart."""
    return getattr(message, "role", None) or getattr(getattr(message, "__struct_config__", None), "tag", None)
