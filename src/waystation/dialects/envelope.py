"""What an answer says of itself."""

from typing import NamedTuple


class Envelope(NamedTuple):
    """What an answer says of itself, in every event: the same from its begin to its end, whoever goes on with it."""

    id: str
    model: str
    created: int  # UTC seconds
