"""providers/openai asked in the vocabulary, on real sockets; and what goes out natively where rules and pools hold."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from tests.unit.providers.openai.stand import CREDENTIAL, chat_call, completion_call, model_of, play, sent, target_of
from waystation.catalogue.parameters_table import rules_for
from waystation.dialects.ask import Ask, Text, Turn
from waystation.dialects.saying import Begun, Ended, Saying, TextDelta, Used
from waystation.errors import ApiError, Unsupported, UpstreamTimeout
from waystation.gateway.call import Call
from waystation.providers.openai.provider import OpenAI
from waystation.runtime.http_client import HttpClient
from waystation.terms import Blame, Credential, Deployment, Dialect, Route, Secret, Target, Usage
from waystation.testing.script import WORDS
from waystation.testing.upstream import Upstream

TEXT = "".join(WORDS)
HI = (Turn("user", (Text("hi"),)),)


def ask(**more: Any) -> Ask:
    return Ask(**{"stream": True, "turns": HI, **more})


def aimed(upstream_model: str = "fake", *, prefill: bool = False, **more: Any) -> Target:
    model = model_of(upstream_model)
    deployment = msgspec.structs.replace(model.deployment, prefill=prefill)
    return Target(deployment, msgspec.structs.replace(model, deployment=deployment, **more), CREDENTIAL)


async def told(provider: OpenAI, asked: Ask, target: Target, call: Call | None = None) -> list[Saying]:
    return [saying async for saying in provider.tell(asked, target, call or chat_call())]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_told_in_the_vocabulary(stream: bool) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        sayings = await told(provider, ask(stream=stream), aimed())
        assert isinstance(sayings[0], Begun)
        assert "".join(saying.text for saying in sayings if isinstance(saying, TextDelta)) == TEXT
        assert sayings[-2] == Ended("stop")
        assert isinstance(sayings[-1], Used)
        assert sayings[-1].usage.output_tokens == len(WORDS)
        assert upstream.requests[-1].target == "/v1/chat/completions"

    play(story)


def test_a_prompt_goes_to_completions() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        sayings = await told(provider, Ask(stream=True, prompt="hi", said=" there"), aimed())
        assert "".join(saying.text for saying in sayings if isinstance(saying, TextDelta)) == TEXT
        assert upstream.requests[-1].target == "/v1/completions"
        assert json.loads(upstream.requests[-1].body)["prompt"] == "hi there"

    play(story)


@pytest.mark.parametrize(
    ("preset", "last", "more", "target"),
    [
        (None, {}, {}, "/v1/chat/completions"),
        ("llamacpp", {}, {}, "/v1/chat/completions"),
        (
            "vllm",
            {},
            {"continue_final_message": True, "add_generation_prompt": False},
            "/v1/chat/completions",
        ),
        ("dashscope", {"partial": True}, {}, "/v1/chat/completions"),
        ("deepseek", {"prefix": True}, {}, "/beta/chat/completions"),
    ],
)
def test_an_answer_is_gone_on_with_in_the_presets_way(
    preset: str | None, last: dict[str, Any], more: dict[str, Any], target: str
) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        try:
            await told(provider, ask(said="Once"), aimed(prefill=True))
        except ApiError:
            assert target.startswith("/beta")  # the fake upstream has no such path
        request = upstream.requests[-1]
        body = json.loads(request.body)
        assert request.target == target
        assert body["messages"][-1] == {"role": "assistant", "content": "Once", **last}
        assert {name: body[name] for name in more} == more

    play(story, preset=preset)


@pytest.mark.parametrize(
    ("preset", "model", "more"),
    [
        ("vllm", "Qwen/Qwen3-8B", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("vllm", "some-other", {}),
        ("llamacpp", "qwen3-8b", {"reasoning_effort": "none"}),
        ("dashscope", "qwen-plus", {"enable_thinking": False}),
        ("dashscope", "qwen-max", {}),
        ("volcengine", "doubao-seed-1-8", {"reasoning_effort": "minimal"}),
        ("moonshot", "kimi-k2.6", {"thinking": {"type": "disabled"}}),
    ],
)
def test_who_goes_on_does_not_think_again(preset: str, model: str, more: dict[str, Any]) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        call = chat_call()
        await told(provider, ask(said="Once"), aimed(model, prefill=True), call)
        body = json.loads(upstream.requests[-1].body)
        thinking = {"chat_template_kwargs", "reasoning_effort", "enable_thinking", "thinking", "thinking_budget"}
        assert {name: body[name] for name in thinking & set(body)} == more
        assert (call.ignored, call.mapped) == ((), ())

    play(story, preset=preset, rules=rules_for)


@pytest.mark.parametrize(("preset", "prefill"), [("vllm", False), ("openai", True)])
def test_who_can_not_go_on_is_not_asked_to(preset: str, prefill: bool) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        with pytest.raises(Unsupported):
            await told(provider, ask(said="Once"), aimed(prefill=prefill))
        assert not upstream.requests

    play(story, preset=preset)


def test_words_of_other_dialects_are_named_as_ignored() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        call = chat_call()
        call.dialect = Dialect.ANTHROPIC
        await told(provider, ask(extra={"container": "c"}, output_tokens_max=5, temperature=0.5), aimed("o3"), call)
        assert call.ignored == ("container", "temperature")
        assert call.mapped == ("max_tokens>max_completion_tokens",)
        body = json.loads(upstream.requests[-1].body)
        assert body["max_completion_tokens"] == 5
        assert not {"container", "temperature", "max_tokens"} & set(body)

    play(story, rules=rules_for)


@pytest.mark.parametrize(
    ("mode", "status", "blame"),
    [
        ("fault-400", 400, Blame.CALLER),
        ("fault-404", 404, Blame.MODEL),
        ("fault-401", 502, Blame.CREDENTIAL),
        ("fault-429", 429, Blame.LIMIT),
        ("fault-500", 502, Blame.DEPLOYMENT),
        ("html", 502, Blame.DEPLOYMENT),
        ("drop", 502, Blame.DEPLOYMENT),
        ("hang", 504, Blame.DEPLOYMENT),
        ("malformed", 502, Blame.DEPLOYMENT),
        ("cut", 502, Blame.DEPLOYMENT),
        ("error-event", 502, Blame.DEPLOYMENT),
    ],
)
def test_what_goes_wrong_has_its_blame(mode: str, status: int, blame: Blame) -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        with pytest.raises(ApiError) as caught:
            await told(provider, ask(), aimed(mode))
        assert (caught.value.status, caught.value.blame) == (status, blame)

    play(story, first_byte_timeout_s=0.05)


def test_closing_what_is_told_cancels_the_call_upstream() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        upstream.pace_s = 10.0
        sayings = provider.tell(ask(), aimed(), chat_call())
        await anext(sayings)
        await sayings.aclose()
        for _ in range(50):
            if upstream.meter.cancelled:
                break
            await asyncio.sleep(0.002)
        assert upstream.meter.cancelled == 1

    play(story)


# -- native calls


def test_each_credential_has_its_own_headers() -> None:
    other = Credential("cred-2", "second", Secret("sk-second-0123456789"))

    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        model = model_of("fake")
        for credential in (CREDENTIAL, other, Credential("new", "third", Secret("sk-third-0123456789"))):
            async for _ in provider.send(chat_call(), Target(model.deployment, model, credential)):
                pass
            assert credential.secret is not None
            expected = f"Bearer {credential.secret.reveal()}".encode()
            assert upstream.requests[-1].headers[b"authorization"] == expected
        assert [each.id for each in provider.credentials] == ["cred-1", "cred-2"]

    play(story, credentials=(CREDENTIAL, other))


def test_the_secret_of_the_credential_that_was_used_is_taken_out_of_an_upstreams_words() -> None:
    other = Credential("cred-2", "second", Secret("hush-hush-hush"))

    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        target = Target(model_of("fake").deployment, model_of("fake"), other)
        body = json.dumps({"error": {"message": "Key hush-hush-hush is wrong"}}).encode()
        assert "hush" not in provider._refused(400, {}, body, target).message

    play(story, credentials=(CREDENTIAL, other))


def test_a_route_may_have_time_outs_of_its_own() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        target = aimed("hang", route=Route(first_byte_timeout_s=0.03))
        with pytest.raises(UpstreamTimeout):
            await anext(provider.send(chat_call("hang", stream=True), target))
        with pytest.raises(UpstreamTimeout):
            await told(provider, ask(), target)
        plain = aimed(route=Route())
        assert [event async for event in provider.send(chat_call(), plain)]

    play(story, first_byte_timeout_s=30.0)


def test_parameters_go_out_as_the_upstream_takes_them() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        call = chat_call("gpt-5", max_tokens=50, temperature=0.5, top_p=1)
        call.output_tokens_max = 7
        await sent(provider, call)
        body = json.loads(upstream.requests[-1].body)
        assert body["max_completion_tokens"] == 7
        assert body["top_p"] == 1
        assert "max_tokens" not in body
        assert "temperature" not in body
        assert (call.ignored, call.mapped) == (("temperature",), ("max_tokens>max_completion_tokens",))
        await sent(provider, call, "fake")  # tried once more, where all of it is taken
        assert (call.ignored, call.mapped) == ((), ())
        with pytest.raises(Unsupported):
            await sent(provider, chat_call("gpt-5", logprobs=True))

    play(story, rules=rules_for)


def test_a_deployment_that_changes_is_prepared_anew() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        for rules in ("none", "openai-gpt-5", "none"):
            model = model_of("my-own-name")
            deployment = Deployment("there/it", "there", "my-own-name", rules=rules)
            call = chat_call(temperature=0.5)
            async for _ in provider.send(call, Target(deployment, model, CREDENTIAL)):
                pass
            assert call.ignored == (() if rules == "none" else ("temperature",))

    play(story, rules=rules_for)


def test_developers_are_the_system_where_they_are_not_known() -> None:
    messages = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": 'say "developer"'}]

    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        await sent(provider, chat_call(messages=messages))
        assert json.loads(upstream.requests[-1].body)["messages"] == [{**messages[0], "role": "system"}, messages[1]]

    play(story, preset="deepseek")


def test_azures_calls_go_to_their_deployment() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        await sent(provider, completion_call(), "mine")
        request = upstream.requests[-1]
        assert request.target == "/openai/deployments/mine/completions?api-version=2024-10-21"
        assert b"authorization" not in request.headers
        assert b"api-key" in request.headers

    play(story, kind="azure", below="")


def test_the_target_of_a_call_without_a_pool_is_the_first_credential() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        await sent(provider, chat_call())
        assert upstream.requests[-1].headers[b"authorization"].startswith(b"Bearer ")
        assert target_of(model_of("fake")).credential.id == ""

    play(story)


def test_an_old_azure_is_not_asked_for_usage_and_the_caller_is_told_it_all_the_same() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        _, done = await sent(provider, chat_call("no-usage", stream=True, stream_options={"include_usage": True}))
        assert "stream_options" not in json.loads(upstream.requests[-1].body)
        assert done.usage is None
        assert done.tail is not None
        assert b'"total_tokens":7' in done.tail(Usage(3, 4))
        await told(provider, ask(), aimed())
        assert "stream_options" not in json.loads(upstream.requests[-1].body)

    play(story, kind="azure", below="", api_version="2024-06-01")


def test_rules_are_for_chats() -> None:
    async def story(provider: OpenAI, upstream: Upstream, http: HttpClient) -> None:
        call = completion_call("gpt-5", max_tokens=5, temperature=0.5)
        await sent(provider, call)
        body = json.loads(upstream.requests[-1].body)
        assert (body["max_tokens"], body["temperature"]) == (5, 0.5)
        await told(provider, Ask(stream=True, prompt="hi", output_tokens_max=5), aimed("gpt-5"), call)
        assert json.loads(upstream.requests[-1].body)["max_tokens"] == 5
        assert (call.ignored, call.mapped) == ((), ())

    play(story, rules=rules_for)
