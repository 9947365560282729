"""OpenAI's uploads, as far as they are no calls."""

from waystation.http.v1.control import Resource

RESOURCES: tuple[Resource, ...] = ()
