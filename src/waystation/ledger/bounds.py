"""The most that a call may use: what its hold is made of. Pure; reads a call and says nothing about money."""

from waystation.gateway.call import Call
from waystation.terms import Model, Operation

TEMPLATE_TOKENS_MAX = 512  # what a chat template adds: roles, a default system prompt, the rules of tool calls
EMBEDDING_TOKENS_PER_BYTE = 2  # each input of a list has its own prefix and end marks, and may be one letter long


def input_tokens_bound(call: Call, model: Model) -> int:
    """No token is shorter than a byte, so the body bounds its words; a picture may be worth the whole context."""
    size_bytes = len(call.body)
    if call.operation is Operation.EMBEDDINGS:
        return size_bytes * EMBEDDING_TOKENS_PER_BYTE
    if call.request.has_images:
        return max(size_bytes, model.abilities.context_tokens_max)
    return size_bytes + TEMPLATE_TOKENS_MAX


def output_tokens_bound(call: Call, model: Model) -> int:
    """What the caller asked for or the model can do, whichever is less, for each choice. An embedding says nothing."""
    if call.operation is Operation.EMBEDDINGS:
        return 0
    request = call.request
    most = model.abilities.output_tokens_max
    asked: int | None = request.output_tokens_asked
    return (most if asked is None or asked > most else asked) * int(request.choices)
