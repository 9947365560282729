"""The official SDK's `client.responses` against the engine, a model that knows nothing of the Responses API."""

import pytest
from openai import BadRequestError, OpenAI
from pydantic import BaseModel

MODEL = "gpt-4o-mini"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def test_a_text_is_answered_with_its_usage(client: OpenAI) -> None:
    response = client.responses.create(
        model=MODEL, instructions="Be brief.", input="Say hello.", temperature=0, max_output_tokens=30, store=False
    )
    assert response.object == "response"
    assert response.output_text
    assert response.instructions == "Be brief."
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_the_pieces_of_a_stream_make_its_last_response(client: OpenAI) -> None:
    text, numbers, last = "", [], None
    for event in client.responses.create(model=MODEL, input="Count to five.", temperature=0, store=False, stream=True):
        numbers.append(event.sequence_number)
        if event.type == "response.output_text.delta":
            text += event.delta
        last = event
    assert numbers == list(range(len(numbers)))
    assert last is not None
    assert last.type == "response.completed"
    assert last.response.output_text == text != ""
    assert last.response.usage is not None
    assert last.response.usage.output_tokens > 0


def test_the_stream_helper_gives_the_final_response(client: OpenAI) -> None:
    with client.responses.stream(model=MODEL, input="Say hello.", temperature=0, store=False) as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert stream.get_final_response().output_text == deltas


def test_a_function_is_called_and_its_output_read(client: OpenAI) -> None:
    question = {"role": "user", "content": "What is the weather in Paris? Use the tool."}
    first = client.responses.create(
        model=MODEL,
        input=[question],  # type: ignore[list-item]
        tools=[WEATHER],  # type: ignore[list-item]
        tool_choice={"type": "function", "name": "get_weather"},
        temperature=0,
        store=False,
    )
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert call.name == "get_weather"
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny, 21 degrees."}
    second = client.responses.create(
        model=MODEL,
        input=[question, call.to_dict(), output],  # type: ignore[list-item]
        temperature=0,
        store=False,
    )
    assert second.output_text


class Person(BaseModel):
    name: str
    age: int


def test_a_text_is_parsed_into_its_form(client: OpenAI) -> None:
    response = client.responses.parse(
        model=MODEL, input="Alan is 41 years old. Who is that?", text_format=Person, temperature=0, store=False
    )
    assert response.output_parsed is not None
    assert response.output_parsed.age == 41


def test_too_short_a_limit_leaves_a_response_incomplete(client: OpenAI) -> None:
    response = client.responses.create(
        model=MODEL, input="Write the numbers from one to fifty.", max_output_tokens=16, store=False
    )
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


def test_a_tool_that_nobody_here_can_run_is_named(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model=MODEL, input="News?", tools=[{"type": "web_search"}], store=False)
    assert refused.value.param == "tools[0]"
    assert "web_search" in refused.value.message
    assert "responses = true" in refused.value.message
