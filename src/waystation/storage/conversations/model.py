"""What a conversation is."""

import msgspec


class Conversation(msgspec.Struct, frozen=True):
    id: str
    project_id: str
    metadata: dict[str, str]
    created_at: int  # UTC seconds
