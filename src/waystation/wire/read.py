"""Read a request's body once into its struct; every failure is a 400 that names the parameter in OpenAI's words.

The structs are in the files beside this one; what a model can do is not asked here.
"""

from typing import Any, Generic, TypeVar

import msgspec

from waystation.errors import InvalidRequest
from waystation.wire.bounds import check_bounds, decode_any, not_json, too_deep
from waystation.wire.complaint import complaint, unknown_parameter

Request = TypeVar("Request", bound=msgspec.Struct)


class Reader(Generic[Request]):
    """A prebuilt decoder for one kind of request."""

    def __init__(self, struct: type[Request]) -> None:
        self._struct = struct
        self._decode = msgspec.json.Decoder(struct).decode

    def read(self, body: bytes) -> Request:
        """The body as its struct. Raises InvalidRequest, nothing else."""
        try:
            request = self._decode(body)
        except msgspec.ValidationError as error:
            raise self._explain(error, body) from None
        except RecursionError:
            raise too_deep() from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _unreadable(error, body) from None
        check_bounds(body)
        return request

    def _explain(self, error: msgspec.ValidationError, body: bytes) -> InvalidRequest:
        """Why the struct did not take it. Slow: only here the body is looked at in detail."""
        try:
            check_bounds(body)
            # A number that no double can hold is refused without its value, since nothing can hold it.
            data = None if "out of range" in str(error) else decode_any(body)
        except InvalidRequest as worse:
            return worse  # not JSON after all, or too deep: that comes first
        return complaint(error, data, self._struct)


def unknown_parameters(body: bytes, struct: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names at the top of the body that the struct doesn't have, in the order sent. `body` has been read before."""
    known = struct.__struct_encode_fields__
    return tuple(name for name in _NAMES.decode(body) if name not in known)


def refuse_unknown(names: tuple[str, ...]) -> None:
    """Strict mode: raise OpenAI's 400 for the first unknown parameter, if there is any."""
    if names:
        raise unknown_parameter(names[0])


_NAMES: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _unreadable(error: Exception, body: bytes) -> InvalidRequest:
    if not body.strip():
        return not_json("it is empty")
    if body.startswith(b"\xef\xbb\xbf"):
        return not_json("it starts with a byte order mark")
    if isinstance(error, UnicodeDecodeError):
        return not_json("a string in it is not UTF-8")
    return not_json(str(error).removeprefix("JSON is malformed: "))
