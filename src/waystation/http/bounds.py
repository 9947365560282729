"""The door's bounds, each with a name. The values are the settings of `server`; see `settings.py`."""

import msgspec


class Bounds(msgspec.Struct, frozen=True):
    """Limits of what a client may send and how long it may take. Sizes in bytes, times in seconds."""

    head_bytes_max: int
    body_bytes_max: int
    body_decompressed_bytes_max: int
    head_time_s: float
    body_time_s: float
    write_stall_s: float  # a client that reads nothing of its answer for this long is dropped
    keep_alive_s: float
    connections_max: int
    streams_max: int
    pipelined_max: int  # requests that one connection may send ahead of their answers; then it is not read
    silence_s: float  # a stream that is silent for this long gets a comment, so that no proxy closes it
