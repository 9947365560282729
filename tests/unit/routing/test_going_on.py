"""Answers that break off after text has gone out: one envelope, no text twice, one usage."""

import asyncio
import re
from typing import Any

import pytest

from tests.unit.routing.routes import Scripted, Stand, Step, call_of, deployment, event, failure, model, sayings, words
from waystation.dialects.ask import Ask
from waystation.dialects.saying import Begun, Ended, Saying, TextDelta, Used
from waystation.errors import ApiError
from waystation.gateway.call import Call
from waystation.routing.going_on import SENT_BYTES_MAX, Said, Seam, extended
from waystation.terms import Blame, Dialect, Done, Model, Operation, Piece, Rung, Usage

STREAM = {"stream": True}
BREAKS = failure(Blame.DEPLOYMENT)


def breaking(*texts: str, last: bytes = b"") -> list[Step]:
    steps: list[Step] = [*words(*texts, finish=False)]
    if last:
        steps.append(Piece(last, "x"))
    return [*steps, BREAKS]


def route(**more: Any) -> Model:
    return model(["a/m"], [deployment("b/m", prefill=True)], **more)


def story(*scripts: Any, told: Any = (), call: Call | None = None, **more: Any) -> tuple[Stand, Any]:
    stand = Stand(Scripted("a", *scripts), Scripted("b", told=told))
    return stand, stand.answers(route(**more), call or call_of(STREAM))


def test_another_goes_on_right_after_the_text_under_the_same_envelope() -> None:
    stand, answer = story(breaking("Once ", "upon "), told=[sayings("a ", "time.", usage=Usage(12, 2))])
    assert answer.error is None
    assert answer.text == "Once upon a time."
    assert {(chunk["id"], chunk["created"]) for chunk in answer.chunks} == {("id-1", 1)}
    assert sum("role" in chunk["choices"][0]["delta"] for chunk in answer.chunks) == 1
    assert [
        chunk["choices"][0]["finish_reason"] for chunk in answer.chunks if chunk["choices"][0]["finish_reason"]
    ] == ["stop"]
    assert answer.data.count(b"[DONE]") == 1
    assert stand.providers["b"].asked[0].said == "Once upon"
    assert (answer.call.deployment, answer.call.attempts, answer.call.rung) == ("b/m", 2, Rung.PROVIDER)


def test_what_had_been_sent_is_charged_as_output_not_as_input() -> None:
    _, answer = story(breaking("one ", "two ", "three "), told=[sayings("four", usage=Usage(13, 1, cached_tokens=12))])
    assert answer.done.usage == Usage(10, 4, cached_tokens=10, estimated=True)


def test_without_a_word_about_usage_the_ledger_counts() -> None:
    _, answer = story(breaking("Once "), told=[sayings("upon")])
    assert answer.done.usage is None
    assert "".join(one.text for one in answer.events if isinstance(one, Piece)) == "Once upon"


def test_it_may_break_more_than_once() -> None:
    first: list[Saying | ApiError] = [Begun(), TextDelta("upon "), TextDelta("a "), BREAKS]
    stand, answer = story(breaking("Once "), told=[first, sayings("time.", usage=Usage(13, 1))])
    assert answer.text == "Once upon a time."
    assert [ask.said for ask in stand.providers["b"].asked] == ["Once", "Once upon a"]
    assert answer.done.usage == Usage(10, 4, estimated=True)
    assert answer.call.attempts == 3


def test_the_rest_may_have_only_the_tokens_that_are_left() -> None:
    stand, answer = story(breaking("one ", "two "), told=[sayings("three")], call=call_of({**STREAM, "max_tokens": 5}))
    assert stand.providers["b"].asked[0].output_tokens_max == 3
    assert answer.error is None


def test_an_answer_that_only_lacked_its_end_gets_it() -> None:
    stand, answer = story(breaking("one ", "two "), told=[sayings("three")], call=call_of({**STREAM, "max_tokens": 2}))
    assert answer.text == "one two "
    assert answer.chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert stand.providers["b"].asked == []
    assert answer.done.usage is None


def test_a_completion_goes_on_anywhere_with_a_longer_prompt() -> None:
    stand = Stand(Scripted("a", breaking("1, ", "2, ")), Scripted("b", told=[sayings("3")]))
    answer = stand.answers(model(["a/m"], ["b/m"]), call_of(STREAM, Operation.COMPLETION))
    assert answer.text == "1, 2, 3"
    assert (stand.providers["b"].asked[0].prompt, stand.providers["b"].asked[0].said) == ("Count:1, 2,", "")


def test_the_same_deployment_goes_on_with_its_own_answer_when_it_is_back() -> None:
    stand = Stand(Scripted("local", breaking("Once "), told=[sayings("upon")]))
    answer = stand.answers(model([deployment("local/q", prefill=True)]), call_of(STREAM))
    assert (answer.text, answer.call.rung) == ("Once upon", Rung.CREDENTIAL)


HIDDEN = [
    event(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]),
    event(reasoning_content="Let me think."),
    event(reasoning="Let me think."),
    event("no", refusal="I can't."),
    event(finish="stop"),
    b'data: {"type": "content_block_delta", "delta": {"type":"thinking_delta", "thinking": "Hm"}}\n\n',
    b'event: content_block_start\ndata: {"content_block":{"type":"tool_use","id":"t"}}\n\n',
]


@pytest.mark.parametrize("last", HIDDEN, ids=["tool", "reasoning", "reasoning2", "refusal", "ended", "thinking", "use"])
def test_what_is_no_plain_text_ends_with_a_clean_error(last: bytes) -> None:
    stand, answer = story(breaking("Once ", last=last), told=[sayings("upon")])
    assert answer.error is not None
    assert stand.providers["b"].asked == []
    assert not any(isinstance(one, Done) for one in answer.events)


@pytest.mark.parametrize(
    "asked",
    [{"n": 2}, {"logprobs": True}, {"service_tier": "flex"}],
    ids=["two choices", "probabilities", "what no other dialect says"],
)
def test_what_was_asked_may_forbid_it(asked: dict[str, Any]) -> None:
    stand, answer = story(breaking("Once "), told=[sayings("upon")], call=call_of({**STREAM, **asked}))
    assert answer.error is not None
    assert stand.providers["b"].asked == []


@pytest.mark.parametrize("asked", [{"echo": True}, {"suffix": "the end"}], ids=["echo", "suffix"])
def test_a_completion_that_is_more_than_what_follows_the_prompt_does_not_go_on(asked: dict[str, Any]) -> None:
    stand = Stand(Scripted("a", breaking("1, ")), Scripted("b", told=[sayings("2")]))
    assert stand.answers(model(["a/m"], ["b/m"]), call_of({**STREAM, **asked}, Operation.COMPLETION)).error is not None


def test_who_refuses_to_go_on_is_not_the_callers_fault() -> None:
    stand = Stand(
        Scripted("a", breaking("Once ")),
        Scripted("b", told=[[failure(Blame.CALLER)]]),
        Scripted("c", told=[sayings("upon")]),
    )
    there = model(["a/m"], [deployment("b/m", prefill=True)], [deployment("c/m", prefill=True)])
    assert stand.answers(there, call_of(STREAM)).text == "Once upon"


def test_when_nobody_goes_on_the_first_failure_is_told_after_the_text() -> None:
    _, answer = story(breaking("Once "), told=[[failure(Blame.MODEL)]])
    assert answer.text == "Once "
    assert answer.error is not None
    assert answer.error.status == 502


def test_a_model_of_other_words_is_gone_on_with_too() -> None:
    stand = Stand(Scripted("a", told=[[Begun(), TextDelta("Once "), BREAKS]]), Scripted("b", told=[sayings("upon")]))
    answer = stand.answers(route(), call_of(STREAM, dialect=Dialect.ANTHROPIC))
    assert answer.text == "Once upon"
    assert {chunk["id"] for chunk in answer.chunks} == {"id-new"}


def test_a_part_never_passes_for_the_whole() -> None:
    first: list[Saying | ApiError] = [Begun(), TextDelta("upon ")]
    _, answer = story(breaking("Once "), told=[first, sayings("a time.")])
    assert (answer.error, answer.text) == (None, "Once upon a time.")


def test_the_ledgers_cut_ends_the_rest_too() -> None:
    async def cutting() -> None:
        stand = Stand(Scripted("a", breaking("Once ")), Scripted("b", told=[sayings("upon ", "a ", "time")]))
        call = call_of(STREAM)
        seen = []
        async for one in stand.router.attempt(call, route()):
            seen.append(one)
            call.cut = b"upon" in one.data
        assert [one.text for one in seen if isinstance(one, Piece)] == ["Once ", "upon "]
        assert b'"finish_reason": "length"' in seen[-1].data
        assert stand.providers["b"].open == 0

    asyncio.run(cutting())


# -- the rules by themselves


@pytest.mark.parametrize(
    ("sent", "texts", "joined"),
    [
        ("Once ", ["upon"], "Once upon"),
        ("Once ", [" upon"], "Once upon"),
        ("Once\n\n", ["\n", "\nupon"], "Once\n\nupon"),
        ("Once\n\n", ["\n", "upon"], "Once\n\nupon"),
        ("Once \t", [" ", "upon"], "Once \tupon"),
        ("Once", [" upon"], "Once upon"),
        ("Once ", ["  upon"], "Once  upon"),
        ("你好，", ["世界"], "你好，世界"),
    ],
    ids=range(8),
)
def test_no_white_space_is_said_twice_or_lost(sent: str, texts: list[str], joined: str) -> None:
    seam = Seam(sent, 1)
    told = [saying for text in texts if (saying := seam.join(TextDelta(text))) is not None]
    assert sent + "".join(one.text for one in told if isinstance(one, TextDelta)) == joined


def test_a_seam_lets_the_rest_pass() -> None:
    seam = Seam("Once", 3)
    assert seam.join(Begun("x", "y")) is None
    assert seam.join(Ended("stop")) == Ended("stop")
    assert seam.join(Used(Usage(2, 1))) == Used(Usage(0, 3, estimated=True))  # its count is less than ours


def test_a_text_that_names_such_members_is_plain() -> None:
    said = Said()
    said.add(Piece(event('{"tool_calls": [1], "reasoning": "yes", "type":"tool_use"}'), "text"))
    said.add(Piece(event("x", refusal=None, tool_calls=[], reasoning_content=""), "x"))
    assert said.plain


def test_a_very_long_answer_is_not_kept() -> None:
    said = Said()
    for _ in range(10):
        said.add(Piece(b"x" * SENT_BYTES_MAX, "y"))
    assert not said.plain
    assert said.text == ""


def test_the_longer_question_hands_no_white_space_on() -> None:
    ask = Ask(stream=True, output_tokens_max=10)
    longer = extended(ask, "Once \n", 4, Operation.CHAT)
    assert longer is not None
    assert (longer.said, longer.output_tokens_max) == ("Once", 6)
    assert extended(ask, "Once", 10, Operation.CHAT) is None


def test_the_envelope_is_read_of_the_first_event_alone() -> None:
    said = Said()
    said.add(Piece(event("", role="assistant") + event("Once"), "Once"))
    assert re.fullmatch(rb"data: \{[^\n]*\}\n\n", said.first_event)


def test_a_tool_call_of_the_only_deployment_is_not_gone_on_with() -> None:
    stand = Stand(Scripted("local", breaking("Once ", last=HIDDEN[0]), told=[sayings("upon")]))
    answer = stand.answers(model([deployment("local/q", prefill=True)]), call_of(STREAM))
    assert answer.error is not None
    assert stand.providers["local"].asked == []
