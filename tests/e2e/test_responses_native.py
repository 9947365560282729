"""The official SDK in front of a real server whose provider speaks the Responses API itself."""

from collections.abc import Iterator

import openai
import pytest

from tests.e2e.running import Running, fake_upstream, serving
from waystation.testing.responses_script import INPUT_TOKENS, RESPONSE_WORDS

TEXT = "".join(RESPONSE_WORDS)
CONFIG = """
[providers.up]
preset = "openai"
base_url = "{url}/v1"
api_key = "sk-upstream-0123456789"

[providers.limited]
preset = "openai"
base_url = "{url}/v1"
api_key = "sk-upstream-0123456789"

[providers.chat]
base_url = "{url}/v1"
api_key = "sk-upstream-0123456789"
"""
PRICE = '{ input = "1000", output = "1000", tools = { web_search = "0.01" } }'
MODELS = ("plain", "reasoning", "tools", "web-search", "failed", "error-late", "broken")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("native")
    with fake_upstream(folder) as upstream:
        config = folder / "waystation.toml"
        models = [f'[models.{name}]\nprovider = "up"\nprice = {PRICE}\n' for name in MODELS]
        # Its key rests after a 429, so it has a provider of its own.
        models.append(f'[models.fault-429]\nprovider = "limited"\nprice = {PRICE}\n')
        models.append(f'[models.translated]\nprovider = "chat"\nmodel = "fake"\nprice = {PRICE}\n')
        config.write_text("\n".join([CONFIG.format(url=upstream.url), *models]))
        with serving(folder / "data", config) as running:
            yield running


@pytest.fixture
def client(server: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key=server.key, max_retries=0)


def test_a_whole_answer_and_its_cost(client: openai.OpenAI) -> None:
    raw = client.responses.with_raw_response.create(model="plain", input="hi", store=False)
    response = raw.parse()
    assert response.output_text == TEXT
    assert response.id.startswith("resp_")
    assert response.usage is not None
    tokens = INPUT_TOKENS + len(RESPONSE_WORDS)
    assert response.usage.total_tokens == tokens
    assert raw.headers["x-waystation-cost"] == f"0.{tokens:03d} USD"


def test_a_stream_is_whole_for_the_sdk(client: openai.OpenAI) -> None:
    with client.responses.stream(model="reasoning", input="hi", store=False) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert final.output_text == TEXT
    assert [item.type for item in final.output] == ["reasoning", "message"]


def test_a_conversation_is_compacted_there_and_gone_on_with_anywhere(client: openai.OpenAI) -> None:
    first = client.responses.create(model="reasoning", input="one")
    raw = client.responses.with_raw_response.compact(model="reasoning", previous_response_id=first.id, input="two")
    short = raw.parse()
    assert [item.type for item in short.output] == ["message", "message", "compaction"]
    assert raw.headers["x-waystation-cost"] == f"0.{short.usage.total_tokens:03d}".rstrip("0") + " USD"
    items = [item.to_dict() for item in short.output]
    for model in ("plain", "translated"):
        answer = client.responses.create(model=model, input=[*items, {"role": "user", "content": "three"}], store=False)  # type: ignore[list-item]
        assert answer.output_text
    assert client.responses.input_tokens.count(model="plain", input="hi").input_tokens == 8


def test_a_loop_of_tools(client: openai.OpenAI) -> None:
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": False}
    first = client.responses.create(model="tools", input="hi", store=False, tools=[tool])  # type: ignore[list-item]
    call = first.output[0]
    assert call.type == "function_call"
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    said = [{"role": "user", "content": "hi"}, call.model_dump(exclude_none=True), result]
    second = client.responses.create(model="tools", input=said, store=False, tools=[tool])  # type: ignore[arg-type,list-item]
    assert second.output_text == TEXT


def test_searches_are_charged(client: openai.OpenAI) -> None:
    raw = client.responses.with_raw_response.create(
        model="web-search", input="hi", store=False, tools=[{"type": "web_search"}]
    )
    assert raw.headers["x-waystation-cost"] == "0.036 USD"  # 16 tokens, and two searches


def test_a_tool_without_a_fee_is_refused_and_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.responses.create(
            model="plain", input="hi", store=False, tools=[{"type": "file_search", "vector_store_ids": ["vs_1"]}]
        )
    assert (refused.value.code, refused.value.param) == ("price_missing", "tools")
    assert "file_search" in refused.value.message


def test_a_provider_without_the_tool_is_no_place_for_it(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="web_search"):
        client.responses.create(model="translated", input="hi", store=False, tools=[{"type": "web_search"}])


@pytest.mark.parametrize(("model", "status"), [("failed", 502), ("fault-429", 429)], ids=["failed", "limited"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_fault_before_anything_was_said_is_an_error(
    client: openai.OpenAI, model: str, status: int, stream: bool
) -> None:
    with pytest.raises(openai.APIStatusError) as failed:
        client.responses.create(model=model, input="hi", store=False, stream=stream)
    assert failed.value.status_code == status


@pytest.mark.parametrize("model", ["error-late", "broken"])
def test_a_fault_in_mid_stream_is_told_in_the_stream(client: openai.OpenAI, model: str) -> None:
    kinds: list[str] = []
    try:
        kinds.extend(event.type for event in client.responses.create(model=model, input="hi", store=False, stream=True))
    except openai.APIError:
        kinds.append("error")
    assert "response.output_text.delta" in kinds
    assert "response.completed" not in kinds
    assert kinds[-1] in ("error", "response.failed")


def test_the_books_agree(server: Running, client: openai.OpenAI) -> None:
    client.responses.create(model="web-search", input="hi", store=False, tools=[{"type": "web_search"}])
    server.command("ledger", "verify")
