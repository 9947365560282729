"""What a call may look up: keys and models, in memory.

Only the event loop changes it, by numbered deltas (`accounts/follow.py` for keys, the catalogue for models). The dicts
are changed in place and never replaced, so that the stages can hold on to them.
"""

from waystation.terms import Caller, Model


class View:
    """The state of the control plane as of the delta `number`."""

    __slots__ = ("keys", "models", "number")

    def __init__(self) -> None:
        self.keys: dict[bytes, Caller] = {}  # by the SHA-256 of the key; revoked ones stay, to be told so
        self.models: dict[str, Model] = {}  # by the name that a caller may ask for
        self.number = 0
