"""Parameters that several requests share: sampling, stopping, streaming, metadata."""

from typing import Annotated

from msgspec import Meta

from waystation.errors import InvalidRequest
from waystation.wire.messages import Plain

Temperature = Annotated[float, Meta(ge=0, le=2)]
TopP = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
AtLeastOne = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
# An empty array is taken, though OpenAI's description wants one item: frameworks send it for "none".
Stop = str | Annotated[list[str], Meta(max_length=4)]
LogitBias = Annotated[
    dict[Annotated[int, Meta(ge=0, le=2**31 - 1)], Annotated[float, Meta(ge=-100, le=100)]],
    Meta(extra={"says": "an object"}, extra_json_schema={"propertyNames": {"pattern": "^[0-9]{1,9}$"}}),
]
Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=16, extra={"says": "a metadata object"}),
]


class StreamOptions(Plain, frozen=True, gc=False):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


def check_stream_options(options: StreamOptions | None, stream: bool | None) -> None:
    if options is not None and not stream:
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
