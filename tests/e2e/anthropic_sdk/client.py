"""The official SDK, unchanged, against a door: `client.py URL KEY`. Runs in the SDK's environment; ends with 0 when all is well.

The model `native` is served by a provider of the same dialect, `told` by way of the vocabulary: to a client they are alike.
"""
# mypy: ignore-errors
# ruff: noqa: PT017, B023 (there is no pytest in the SDK's environment)

import sys

import anthropic

URL, KEY = sys.argv[1:]
client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
HI = [{"role": "user", "content": "Hi"}]
TOOLS = [
    {
        "name": "weather",
        "description": "Tells the weather.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


def raised(kind, **asked):
    try:
        client.messages.create(**{"model": "native", "max_tokens": 9, "messages": HI, **asked})
    except anthropic.APIStatusError as error:
        assert type(error) is kind, error
        assert error.request_id.startswith("req_"), error.request_id
        return error
    raise AssertionError(f"no {kind.__name__}")


for model in ("native", "told"):
    message = client.messages.create(
        model=model, max_tokens=50, messages=HI, system="Be kind.", metadata={"user_id": "u"}
    )
    assert message.content[0].text == "Hello there!", message
    assert (message.stop_reason, message.role, message._request_id[:4]) == ("end_turn", "assistant", "req_")
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens, message.usage.output_tokens) == (
        10,
        5,
        7,
    )

    with client.messages.stream(model=model, max_tokens=50, messages=HI) as stream:
        assert "".join(stream.text_stream).replace(" ", "") == "Hellothere!"
        final = stream.get_final_message()
    assert (final.stop_reason, final.usage.input_tokens, final.usage.output_tokens) == ("end_turn", 10, 7), final

    # a loop of tools, whole and streamed, the second turn with what the first one said
    for streamed in (False, True):
        talk = [{"role": "user", "content": "What is the weather in Paris?"}]
        for turn in range(2):
            asked = {"model": model, "max_tokens": 4000, "messages": talk, "tools": TOOLS}
            asked |= {"thinking": {"type": "enabled", "budget_tokens": 2000}}
            if streamed:
                with client.messages.stream(**asked) as stream:
                    message = stream.get_final_message()
            else:
                message = client.messages.create(**asked)
            thought = message.content[0]
            assert (thought.type, thought.thinking) == ("thinking", "Let me see."), message
            assert thought.signature
            if turn == 0:
                use = message.content[1]
                assert (message.stop_reason, use.name, use.input) == ("tool_use", "weather", {"city": "Paris"}), message
                talk.append({"role": "assistant", "content": message.content})
                result = {"type": "tool_result", "tool_use_id": use.id, "content": "Sunny."}
                talk.append({"role": "user", "content": [result]})
            else:
                assert message.content[1].text.replace(" ", "") == "Itissunny.", message

    seen = [
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="}},
        {"type": "document", "title": "T", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Words."}},
        {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
    ]
    assert client.messages.create(model=model, max_tokens=50, messages=[{"role": "user", "content": seen}]).content
    sampled = {"top_k": 3, "temperature": 0.3}  # the SDK has no names for these any more
    assert client.messages.create(
        model=model, max_tokens=50, messages=HI, stop_sequences=["END"], service_tier="auto", extra_body=sampled
    ).content

    asked = {"model": model, "max_tokens": 50, "messages": HI, "tools": TOOLS}
    asked |= {"tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}}
    assert client.messages.create(**asked).stop_reason == "tool_use"
    shape = {"type": "object", "properties": {}, "additionalProperties": False}
    config = {"effort": "low", "format": {"type": "json_schema", "schema": shape}}
    assert client.messages.create(model=model, max_tokens=50, messages=HI, output_config=config).content

assert raised(anthropic.NotFoundError, model="missing").type == "not_found_error"
assert raised(anthropic.BadRequestError, messages=[]).type == "invalid_request_error"
assert raised(anthropic.RateLimitError, model="limited").response.headers["retry-after"] == "2"
assert raised(anthropic.PaymentRequiredError, model="poor").type == "billing_error"
assert raised(anthropic.OverloadedError, model="busy").type == "overloaded_error"
assert raised(anthropic.InternalServerError, model="down").type == "api_error"
assert raised(anthropic.GatewayTimeoutError, model="late").type == "timeout_error"
for with_key in (
    anthropic.Anthropic(base_url=URL, api_key="sk-" + "x" * 48, max_retries=0),
    anthropic.Anthropic(base_url=URL, auth_token="sk-" + "x" * 48, max_retries=0),
):
    for ask in (with_key.models.list, lambda: with_key.messages.create(model="native", max_tokens=1, messages=HI)):
        try:
            ask()
        except anthropic.AuthenticationError as error:
            assert error.type == "authentication_error"
        else:
            raise AssertionError("a wrong key was taken")
bearer = anthropic.Anthropic(base_url=f"{URL}/anthropic", auth_token=KEY, max_retries=0)
assert bearer.messages.create(model="told", max_tokens=9, messages=HI).content

try:
    with client.messages.stream(model="breaks", max_tokens=9, messages=HI) as stream:
        stream.get_final_message()
except anthropic.APIStatusError as error:
    assert error.type == "overloaded_error", error
else:
    raise AssertionError("the error in the stream was not told")

counted = client.messages.count_tokens(model="gpt-4o", messages=HI, system="Be kind.", tools=TOOLS)
assert 20 < counted.input_tokens < 100, counted
models = list(client.models.list(limit=1))
assert [each.id for each in models] == sorted(each.id for each in models), models
assert "gpt-4o" in {each.id for each in models}, models
assert client.models.retrieve("gpt-4o").max_tokens > 0
print("ok")
