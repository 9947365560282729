"""What is kept of a response, and the rules of what may be gone on with."""

from typing import Any

import msgspec

from waystation.errors import InvalidRequest

CHAIN_RESPONSES_MAX = 5_000  # turns that one response may build on
CHAIN_BYTES_MAX = 64 * 1024 * 1024  # of those, as they are kept: what is read into memory for one call
RUNNING = ("queued", "in_progress")
ANSWERED = ("completed", "incomplete")
UNANSWERED = ("failed", "cancelled")  # how a response ends that nothing can build on

Item = dict[str, Any]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A response as it is kept, its contents in the clear: the store never sees one."""

    id: str
    project_id: str
    key_id: str
    model: str
    status: str  # as OpenAI's
    background: bool = False
    stream: bool = False  # it was asked for as a stream
    previous_id: str | None = None
    conversation_id: str | None = None
    input: bytes  # JSON: the items that came with this request, each with an id
    body: bytes  # JSON of the response as it was answered last
    created_at: int
    expires_at: int


class Turn(msgspec.Struct, frozen=True):
    """What one response adds to what the next one reads."""

    input: list[Item]
    output: list[Item]


class ResponseNotFound(InvalidRequest):
    """404: a response that isn't there, or not any more, or is another project's: nobody can tell these apart."""

    status = 404


class ItemNotFound(InvalidRequest):
    """404: an item that a request refers to is nowhere in its project. OpenAI gives no code here."""

    status = 404


class PreviousNotFound(InvalidRequest):
    """400: the response that is to be gone on with isn't there, or not any more, or is another project's."""

    code = "previous_response_not_found"


def not_found(response_id: str) -> ResponseNotFound:
    return ResponseNotFound(f"Response with id '{response_id[:80]}' not found.")


def previous_not_found(response_id: str) -> PreviousNotFound:
    return PreviousNotFound(f"Previous response with id '{response_id[:80]}' not found.", param="previous_response_id")


def refuse_unready(response_id: str, status: str) -> None:
    """Raise InvalidRequest where nothing can be added to a response yet, or ever."""
    if status in RUNNING:
        raise InvalidRequest(
            f"Previous response with id '{response_id}' is still {status.replace('_', ' ')}. Wait until it has ended.",
            param="previous_response_id",
            code="previous_response_not_ready",
        )
    if status in UNANSWERED:
        raise InvalidRequest(
            f"Previous response with id '{response_id}' is {status}, so there is nothing to go on with. Use the one before it.",
            param="previous_response_id",
            code="previous_response_not_ready",
        )


def chain_broken(response_id: str) -> PreviousNotFound:
    """A response in the middle has been deleted, and its content with it."""
    return PreviousNotFound(
        f"Previous response with id '{response_id}' builds on a response that was deleted, so it can't be gone on with. "
        "Send the conversation's items in `input`.",
        param="previous_response_id",
    )


def chain_too_long(response_id: str) -> InvalidRequest:
    return InvalidRequest(
        f"Previous response with id '{response_id}' builds on more than {CHAIN_RESPONSES_MAX} responses or "
        f"{CHAIN_BYTES_MAX} bytes. Begin anew with the items that matter, or have them compacted with /v1/responses/compact.",
        param="previous_response_id",
        code="context_length_exceeded",
    )


def item_not_found(item_id: str) -> ItemNotFound:
    return ItemNotFound(
        f"Item with id '{item_id[:80]}' not found. Items are not persisted when `store` is set to false. Try again with "
        "`store` set to true, or remove this item from your input.",
        param="input",
    )


def conversation_not_found(conversation_id: str) -> ItemNotFound:
    return ItemNotFound(f"Conversation with id '{conversation_id[:80]}' not found.", param="conversation")
