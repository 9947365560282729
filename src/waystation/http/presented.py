"""What a request shows of its caller where it is no call, or not one yet."""


class Presented:
    """The credentials of a request that is not a call."""

    __slots__ = ("authorization", "project")

    def __init__(self, authorization: bytes | None) -> None:
        self.authorization = authorization
        self.project = ""
