"""Answers of the newer operations through the official SDK: each is held against OpenAI's description when its test is over."""

from openai import OpenAI

MODEL = "gpt-4o-mini"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


def test_a_response_and_its_events_are_as_described(client: OpenAI) -> None:
    whole = client.responses.create(model=MODEL, input="Say hello.", max_output_tokens=16, store=False)
    assert whole.output_text
    events = list(
        client.responses.create(model=MODEL, input="Say hello.", max_output_tokens=16, store=False, stream=True)
    )
    assert events[0].type == "response.created"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta")


def test_the_events_of_a_tools_call_are_as_described(client: OpenAI) -> None:
    events = list(
        client.responses.create(
            model=MODEL,
            input="What is the weather in Paris?",
            tools=[TOOL],  # type: ignore[list-item]
            tool_choice="required",
            max_output_tokens=100,
            store=False,
            stream=True,
        )
    )
    assert any(event.type == "response.function_call_arguments.done" for event in events)


def test_a_conversation_and_its_items_are_as_described(client: OpenAI) -> None:
    made = client.conversations.create(metadata={"a": "b"}, items=[{"role": "user", "content": "Hello."}])
    assert client.conversations.retrieve(made.id) == made
    assert client.conversations.update(made.id, metadata={"a": "c"}).metadata == {"a": "c"}
    added = client.conversations.items.create(made.id, items=[{"role": "user", "content": "Bye."}])
    listed = list(client.conversations.items.list(made.id, order="asc"))
    assert listed[-1] == added.data[0]
    assert client.conversations.items.retrieve(listed[0].id, conversation_id=made.id) == listed[0]
    client.conversations.items.delete(listed[0].id, conversation_id=made.id)
    assert client.conversations.delete(made.id).deleted


def test_a_moderation_is_as_described(client: OpenAI) -> None:
    told = client.moderations.create(input=["I love this train.", "See you at noon."])
    assert len(told.results) == 2
