"""The official SDK counts what a response would read, and has a conversation compacted and gone on with, by a local model."""

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

MODEL = "gpt-4o-mini"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


def test_what_is_counted_is_what_a_response_then_reads(client: OpenAI) -> None:
    counted = client.responses.input_tokens.count(model=MODEL, input="Say hello.", instructions="Be brief.")
    one = client.responses.create(
        model=MODEL, input="Say hello.", instructions="Be brief.", max_output_tokens=8, temperature=0
    )
    assert one.usage is not None
    assert (counted.object, counted.input_tokens) == ("response.input_tokens", one.usage.input_tokens)
    counted = client.responses.input_tokens.count(
        model=MODEL,
        previous_response_id=one.id,
        input="What is the weather in Paris?",
        tools=[TOOL],  # type: ignore[list-item]
    )
    two = client.responses.create(
        model=MODEL,
        previous_response_id=one.id,
        input="What is the weather in Paris?",
        tools=[TOOL],  # type: ignore[list-item]
        max_output_tokens=8,
        temperature=0,
    )
    assert two.usage is not None
    assert counted.input_tokens == two.usage.input_tokens
    conversation = client.conversations.create(items=[{"role": "user", "content": "Hello."}])
    counted = client.responses.input_tokens.count(model=MODEL, conversation=conversation.id, input="Bye.")
    assert counted.input_tokens > 0
    assert len(client.conversations.items.list(conversation.id).data) == 1
    with pytest.raises(NotFoundError):
        client.responses.input_tokens.count(model="none", input="Bye.")


def test_a_conversation_is_compacted_and_gone_on_with(client: OpenAI) -> None:
    one = client.responses.create(model=MODEL, input="My name is Alice.", max_output_tokens=20, temperature=0)
    short = client.responses.compact(
        model=MODEL,
        previous_response_id=one.id,
        input=[{"role": "user", "content": "I live in Paris."}],
        instructions="One sentence.",
    )
    assert short.object == "response.compaction"
    assert short.usage.total_tokens == short.usage.input_tokens + short.usage.output_tokens > 0
    assert [item.type for item in short.output] == ["message", "message", "compaction"]
    item = short.output[-1]
    assert item.type == "compaction"
    assert item.encrypted_content
    two = client.responses.create(
        model=MODEL,
        input=[*short.output, {"role": "user", "content": "Where do I live?"}],  # type: ignore[list-item]
        max_output_tokens=20,
        temperature=0,
    )
    assert two.output_text
    assert "compaction" in {each.type for each in client.responses.input_items.list(two.id, limit=100)}
    broken = item.to_dict() | {"encrypted_content": item.encrypted_content[:-8] + "AAAAAAA="}
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model=MODEL, input=[broken, {"role": "user", "content": "x"}])  # type: ignore[list-item]
    assert refused.value.code == "invalid_encrypted_content"
