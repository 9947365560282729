"""The events of a streamed message as they arrive, read as far as anybody here needs them."""

import msgspec

NULL = msgspec.Raw(b"null")


class Delta(msgspec.Struct):
    """Of a block: text, thinking, a signature or more of a tool's arguments. Of the message: why it stopped."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class ContentBlock(msgspec.Struct):
    """A block as it begins, or whole. What has no field here goes on unread."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str = ""
    name: str = ""
    input: msgspec.Raw = NULL


class Message(msgspec.Struct):
    """A message: whole, or as a stream begins."""

    type: str = ""
    id: str = ""
    model: str = ""
    content: list[ContentBlock] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: msgspec.Raw = NULL


class StreamEvent(msgspec.Struct):
    type: str
    index: int = 0
    message: Message | None = None
    content_block: ContentBlock | None = None
    delta: Delta | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


read_event = msgspec.json.Decoder(StreamEvent).decode
read_message = msgspec.json.Decoder(Message).decode
