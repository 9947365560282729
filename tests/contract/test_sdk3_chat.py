"""The official Python SDK 3.x, synchronous, unchanged: chat in all its forms against the embedded model."""

import json
import time
from enum import Enum

import pytest
from openai import BadRequestError, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from tests.contract.recorder import Recorder

MODEL = "gpt-4o-mini"
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello in one short sentence."}]

COUNT: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Count from 1 to 20."}]


def tool(name: str, description: str, **properties: str) -> ChatCompletionToolParam:
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {key: {"type": kind} for key, kind in properties.items()},
                "required": list(properties),
                "additionalProperties": False,
            },
        },
    }


WEATHER = tool("get_weather", "The weather in a city now", city="string")
ADD = tool("add", "The sum of two numbers", a="number", b="number")
ASK_WEATHER: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Paris?"}]


class Continent(Enum):
    ASIA = "Asia"
    EUROPE = "Europe"


class City(BaseModel):
    name: str
    continent: Continent
    population_millions: float
    rivers: list[str]


def test_chat_answers_with_what_really_answered_and_its_usage(client: OpenAI) -> None:
    before = int(time.time())
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=40, temperature=0)
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    assert before <= answer.created <= time.time() + 1
    assert "qwen" in answer.model.lower(), "an alias: the answer names the model behind it"
    (choice,) = answer.choices
    assert choice.index == 0
    assert choice.finish_reason == "stop"
    assert choice.message.role == "assistant"
    assert choice.message.refusal is None
    assert "hello" in (choice.message.content or "").lower()
    assert answer.usage
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize("role", ["system", "developer"])
def test_system_and_developer_messages_are_obeyed(client: OpenAI, role: str) -> None:
    messages = [
        {"role": role, "content": "Whatever the user says, answer with the single word BANANA."},
        {"role": "user", "content": "What do you say?"},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=messages, max_tokens=20, temperature=0)  # type: ignore[arg-type]
    assert "banana" in (answer.choices[0].message.content or "").lower()


def test_earlier_turns_and_content_parts_are_read(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            {
                "role": "user",
                "content": [{"type": "text", "text": "My name is Zhang."}, {"type": "text", "text": "Hi!"}],
            },
            {"role": "assistant", "content": "Hello Zhang, nice to meet you."},
            {"role": "user", "content": "What is my name?"},
        ],
        max_tokens=20,
        temperature=0,
    )
    assert "Zhang" in (answer.choices[0].message.content or "")


def test_stream_comes_in_pieces_each_with_a_choice(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=40, temperature=0, stream=True)
    )
    assert all(len(chunk.choices) == 1 for chunk in chunks), "an empty choices chunk only when usage is asked for"
    assert len({chunk.id for chunk in chunks}) == 1
    assert len({chunk.created for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert {chunk.choices[0].finish_reason for chunk in chunks[:-1]} == {None}
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "hello" in text.lower()
    assert len(chunks) >= 4


def test_stream_usage_is_in_the_last_chunk_only_when_asked_for(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=8, stream=True, stream_options={"include_usage": True}
        )
    )
    *pieces, last = chunks
    assert last.choices == []
    assert last.usage
    assert last.usage.completion_tokens > 0
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
    assert all(chunk.usage is None and chunk.choices for chunk in pieces)


def test_stream_helper_gives_the_final_answer(client: OpenAI) -> None:
    with client.chat.completions.stream(model=MODEL, messages=HELLO, max_tokens=40, temperature=0) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "content.delta" in kinds
    assert "hello" in (final.choices[0].message.content or "").lower()


def test_the_same_request_gets_the_same_answer_at_temperature_0(client: OpenAI) -> None:
    answers = [
        client.chat.completions.create(
            model=MODEL,
            messages=COUNT,
            temperature=0,
            seed=7,
            max_tokens=24,
        )
        .choices[0]
        .message.content
        for _ in range(2)
    ]
    assert len(set(answers)) == 1, answers


def test_the_same_seed_gives_the_same_answer_at_a_high_temperature(client: OpenAI) -> None:
    def told(seed: int) -> str | None:
        return (
            client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": "Make up a name for a boat."}],
                temperature=1.5,
                seed=seed,
                max_tokens=12,
            )
            .choices[0]
            .message.content
        )

    told(7)  # fills the prompt cache: with and without it the last digits of the sums differ, and so may the dice
    assert told(7) == told(7)
    assert len({told(seed) for seed in range(4)}) > 1, "another seed, another answer"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5"])
def test_either_name_of_the_output_limit_holds_on_any_model(client: OpenAI, model: str, name: str) -> None:
    answer = client.chat.completions.create(model=model, messages=COUNT, temperature=0, extra_body={name: 3})
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.completion_tokens == 3


def test_n_gives_as_many_choices(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, n=2, max_tokens=12)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(choice.message.content for choice in answer.choices)
    assert answer.usage
    assert answer.usage.completion_tokens > 12 or all(choice.finish_reason == "stop" for choice in answer.choices)


def test_n_streams_both_choices(client: OpenAI) -> None:
    texts = {0: "", 1: ""}
    ends = {}
    for chunk in client.chat.completions.create(model=MODEL, messages=HELLO, n=2, max_tokens=12, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            ends[choice.index] = choice.finish_reason
    assert all(texts.values()), texts
    assert None not in ends.values()


def test_stop_ends_the_answer_before_the_words(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Write the digits from 1 to 9, separated by spaces."}],
        stop=["5", "never said"],
        temperature=0,
        max_tokens=60,
    )
    content = answer.choices[0].message.content or ""
    assert "4" in content
    assert "5" not in content
    assert answer.choices[0].finish_reason == "stop"


def test_logprobs_have_every_token_and_its_rivals(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=HELLO, logprobs=True, top_logprobs=3, temperature=0, max_tokens=6
    )
    choice = answer.choices[0]
    assert choice.logprobs
    assert choice.logprobs.content
    assert answer.usage
    assert answer.usage.completion_tokens - 1 <= len(choice.logprobs.content) <= answer.usage.completion_tokens
    assert "".join(told.token for told in choice.logprobs.content) == choice.message.content
    for told in choice.logprobs.content:
        assert told.logprob <= 0
        assert bytes(told.bytes or []).decode() == told.token
        assert len(told.top_logprobs) == 3
        assert told.logprob == pytest.approx(max(rival.logprob for rival in told.top_logprobs), abs=0.02)


def test_no_logprobs_unless_asked_for(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=2)
    assert answer.choices[0].logprobs is None


def test_logit_bias_in_openai_ids_bans_a_token(client: OpenAI) -> None:
    ask: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the capital of France? One word."}]
    plain = client.chat.completions.create(model=MODEL, messages=ask, temperature=0, max_tokens=5)
    assert "Paris" in (plain.choices[0].message.content or "")
    bans = {str(token): -100 for text in ("Paris", " Paris") for token in token_ids(client, text)}
    banned = client.chat.completions.create(model=MODEL, messages=ask, temperature=0, max_tokens=5, logit_bias=bans)
    assert "Paris" not in (banned.choices[0].message.content or "")


def token_ids(client: OpenAI, text: str) -> list[int]:
    told = client.post(
        "/waystation/tokenize",
        body={"model": MODEL, "input": text, "return_tokens": True},
        cast_to=dict[str, list[list[int]]],
    )
    return told["tokens"][0]


def test_json_object_is_always_json(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Give a JSON object with the keys name and age for a person."}],
        response_format={"type": "json_object"},
        temperature=0,
        max_tokens=100,
    )
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_parse_gives_an_instance_of_the_callers_class(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": "Describe the city of Beijing. At most two rivers."}],
        response_format=City,
        temperature=0,
        max_tokens=200,
    )
    city = answer.choices[0].message.parsed
    assert isinstance(city, City)
    assert "beijing" in city.name.lower()


@pytest.mark.parametrize("temperature", [0, 2])
def test_strict_schema_holds_at_any_temperature(client: OpenAI, temperature: float) -> None:
    schema = {
        "type": "object",
        "properties": {
            "ok": {"type": "boolean"},
            "level": {"type": "string", "enum": ["low", "high"]},
            "count": {"type": "integer"},
        },
        "required": ["ok", "level", "count"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Tell me a joke."}],
        response_format={"type": "json_schema", "json_schema": {"name": "state", "strict": True, "schema": schema}},
        temperature=temperature,
        max_tokens=200,
    )
    told = json.loads(answer.choices[0].message.content or "")
    assert set(told) == {"ok", "level", "count"}
    assert isinstance(told["ok"], bool)
    assert isinstance(told["count"], int)
    assert told["level"] in ("low", "high")


def test_required_tool_choice_always_calls_a_tool(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Tell me a joke about cats."}],
        tools=[WEATHER, ADD],
        tool_choice="required",
        temperature=0,
        max_tokens=100,
    )
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls
    check_call(choice.message.tool_calls[0])


def test_named_tool_choice_calls_that_tool(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=ASK_WEATHER,
        tools=[WEATHER, ADD],
        tool_choice={"type": "function", "function": {"name": "add"}},
        temperature=0,
        max_tokens=100,
    )
    calls = answer.choices[0].message.tool_calls
    assert calls
    check_call(calls[0], "add")


def test_auto_tool_choice_calls_the_fitting_tool_with_its_arguments(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=ASK_WEATHER, tools=[WEATHER], temperature=0, max_tokens=100
    )
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert "paris" in check_call(calls[0], "get_weather")["city"].lower()
    assert answer.choices[0].finish_reason == "tool_calls"


def test_tool_choice_none_never_calls(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=ASK_WEATHER, tools=[WEATHER], tool_choice="none", temperature=0, max_tokens=40
    )
    assert not answer.choices[0].message.tool_calls
    assert answer.choices[0].message.content


def test_parallel_tool_calls_false_gives_one_call(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "What is the weather in Paris and in Rome?"}],
        tools=[WEATHER],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
        max_tokens=100,
    )
    assert len(answer.choices[0].message.tool_calls or []) == 1


def test_streamed_tool_call_has_its_name_first_and_arguments_in_pieces(client: OpenAI) -> None:
    deltas = []
    finish = None
    for chunk in client.chat.completions.create(
        model=MODEL,
        messages=ASK_WEATHER,
        tools=[WEATHER],
        tool_choice="required",
        temperature=0,
        max_tokens=100,
        stream=True,
    ):
        deltas += chunk.choices[0].delta.tool_calls or []
        finish = chunk.choices[0].finish_reason or finish
    first, *later = [delta for delta in deltas if delta.index == 0]
    assert first.id
    assert first.type == "function"
    assert first.function
    assert first.function.name == "get_weather"
    assert all(delta.id is None and delta.function and delta.function.name is None for delta in later)
    arguments = [delta.function.arguments or "" for delta in (first, *later) if delta.function]
    assert len([piece for piece in arguments if piece]) >= 2, "in pieces, as it is generated"
    assert "paris" in json.loads("".join(arguments))["city"].lower()
    assert finish == "tool_calls"


def test_a_tools_result_is_used_in_the_answer(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            *ASK_WEATHER,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": '{"temperature_celsius": 21, "sky": "clear"}'},
        ],
        tools=[WEATHER],
        tool_choice="none",
        temperature=0,
        max_tokens=60,
    )
    assert "21" in (answer.choices[0].message.content or "")


def check_call(call: object, name: str = "") -> dict[str, str]:
    """A call of one of the tools above, with arguments that fit its schema; returns them."""
    assert getattr(call, "type", None) == "function"
    assert getattr(call, "id", "").startswith("call_")
    function = call.function  # type: ignore[attr-defined]
    assert function.name == name or not name
    arguments: dict[str, str] = json.loads(function.arguments)
    assert set(arguments) == {"get_weather": {"city"}, "add": {"a", "b"}}[function.name]
    return arguments


def test_an_image_for_a_model_that_cannot_see_is_refused_where_it_is(client: OpenAI) -> None:
    pixel = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
        "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    with pytest.raises(BadRequestError) as refused:
        client.chat.completions.create(
            model=MODEL,
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": pixel}},
                    ],
                }
            ],
        )
    assert refused.value.param == "messages[0].content[1]"
    assert "image" in refused.value.message
    assert "No model configured here can" in refused.value.message


def test_parameters_the_model_cannot_use_are_named_not_refused(client: OpenAI, recorder: Recorder) -> None:
    client.chat.completions.create(
        model="gpt-5",
        messages=HELLO,
        reasoning_effort="low",
        verbosity="low",
        service_tier="auto",
        metadata={"a": "b"},
        user="someone",
        store=False,
        max_tokens=2,
        extra_body={"frobnicate": 1},
    )
    assert "frobnicate" in recorder.exchanges[-1].headers["x-waystation-ignored"]


def test_a_client_that_leaves_a_stream_frees_the_model(client: OpenAI) -> None:
    endless: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": "Count from 1 to 2000, one number a line."}
    ]
    for _ in range(6):  # more than the engine has slots
        stream = client.chat.completions.create(model=MODEL, messages=endless, stream=True, max_tokens=3000)
        next(iter(stream))
        stream.close()
    began = time.monotonic()
    client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4)
    assert time.monotonic() - began < 10
