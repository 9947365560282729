"""Which model the rules choose: the first that fits, leads to what is there, well and able. And why, in a sentence."""

from typing import Any

import msgspec
import pytest

from waystation.catalogue.choosing import Known, choose, explain, price_of_a_usual_call
from waystation.catalogue.question import Question
from waystation.catalogue.routing_model import Rule, When
from waystation.gateway.call import Call
from waystation.terms import Abilities, Deployment, Model, Operation, Price
from waystation.wire.chat import read_chat
from waystation.wire.completions import read_completion

CHAT = frozenset({Operation.CHAT, Operation.COMPLETION})


def model(name: str, price: int | None = 1, *, vision: bool = False, tools: bool = True, embeds: bool = False) -> Model:
    operations = frozenset({Operation.EMBEDDINGS}) if embeds else CHAT
    abilities = Abilities(operations, 8_000, 1_000, vision, tools)
    return Model(
        name, Deployment(f"p/{name}", "p", name), abilities, None if price is None else Price("USD", price, price)
    )


MODELS = {
    each.name: each
    for each in (
        model("big", 30, vision=True),
        model("mid", 10),
        model("small", 1),
        model("plain", 2, tools=False),
        model("free", None),
        model("vectors", embeds=True),
    )
}


def known(down: tuple[str, ...] = (), measured: dict[str, float] | None = None) -> Known:
    return Known(MODELS.get, lambda model: model.name not in down, lambda model: (measured or {}).get(model.name))


def asked(text: str = "Hello", **parameters: Any) -> Question:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], **parameters}
    return question(body)


def question(body: dict[str, Any]) -> Question:
    data = msgspec.json.encode(body)
    request = read_chat(data) if "messages" in body else read_completion(data)
    operation = Operation.CHAT if "messages" in body else Operation.COMPLETION
    return Question(Call(operation, "req_1", data, request, None, {}, "", 0))


PICTURE: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
    ]
}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
RULES = (
    Rule(when=When(images=True), use="big"),
    Rule(when=When(tools=True), use="mid"),
    Rule(when=When(json=True), use="plain"),
    Rule(when=When(task="code", input_tokens_above=20), use="big"),
    Rule(when=When(task="translate"), use="free"),
    Rule(use="small"),
)


@pytest.mark.parametrize(
    ("call", "name", "number"),
    [
        ({"text": "Hello"}, "small", 6),
        (PICTURE, "big", 1),
        ({"tools": TOOLS}, "mid", 2),
        ({"text": "as json", "response_format": {"type": "json_object"}}, "plain", 3),
        ({"text": "Hello", "response_format": {"type": "text"}}, "small", 6),
        ({"text": "Fix my code"}, "small", 6),
        ({"text": "Fix my code: " + "x = 1; " * 30}, "big", 4),
        ({"text": "翻译成英文：你好"}, "free", 5),
    ],
    ids=["chat", "picture", "tools", "json", "text", "short-code", "long-code", "translate"],
)
def test_the_first_rule_that_fits_chooses(call: dict[str, Any], name: str, number: int) -> None:
    choice = choose(RULES, asked(**call), known())
    assert choice is not None
    assert (choice.name, choice.number) == (name, number)


def test_a_completion_is_asked_too() -> None:
    choice = choose(RULES, question({"model": "auto", "prompt": "Translate to French: hello"}), known())
    assert choice is not None
    assert choice.name == "free"


@pytest.mark.parametrize(
    ("rule", "measured", "name"),
    [
        (Rule(optimize="cost", among=("big", "mid", "plain", "small")), {}, "small"),
        (Rule(optimize="cost", among=("small", "free")), {}, "free"),
        (Rule(optimize="speed", among=("big", "mid", "small")), {"mid": 90.0, "small": 120.0}, "mid"),
        (Rule(optimize="speed", among=("big", "mid", "small")), {}, "big"),
        (Rule(optimize="cost", among=("vectors", "nobody", "mid")), {}, "mid"),
    ],
    ids=["cheapest", "unmetered", "fastest", "unmeasured", "unable"],
)
def test_the_best_of_some(rule: Rule, measured: dict[str, float], name: str) -> None:
    choice = choose((rule,), asked(), known(measured=measured))
    assert choice is not None
    assert choice.name == name


def test_what_cannot_do_it_is_passed_over() -> None:
    rules = (Rule(use="plain"), Rule(use="mid"))
    choice = choose(rules, asked(tools=TOOLS), known())
    assert choice is not None
    assert choice.name == "mid"


def test_what_is_down_is_passed_over_and_told() -> None:
    choice = choose((Rule(use="big"), Rule(use="mid")), asked(), known(down=("big",)))
    assert choice is not None
    assert (choice.name, choice.down) == ("mid", ("big",))
    assert "big" in explain(choice, RULES)[0]


def test_when_all_are_down_the_first_is_asked_all_the_same() -> None:
    choice = choose((Rule(use="big"), Rule(use="mid")), asked(), known(down=("big", "mid")))
    assert choice is not None
    assert choice.name == "big"


def test_when_none_can_do_it_nothing_is_chosen() -> None:
    assert choose((Rule(use="mid"), Rule(use="small")), asked(**PICTURE), known()) is None


@pytest.mark.parametrize(
    ("call", "english", "chinese"),
    [
        (PICTURE, "Rule 1/6 chose `big`: the request has images.", "规则 1/6 选择了 `big`：请求包含图片。"),
        (
            {"text": "Fix my code: " + "x = 1; " * 30},
            "Rule 4/6 chose `big`: the input is longer than 20 tokens and the task looks like code.",
            "规则 4/6 选择了 `big`：输入超过 20 个 token，且任务看起来是编程。",
        ),
        (
            {},
            "Rule 6/6 chose `small`: it is for all calls that no rule before it fits.",
            "规则 6/6 选择了 `small`：适用于前面规则都不匹配的调用。",
        ),
    ],
    ids=["images", "two-conditions", "default"],
)
def test_a_choice_is_explained(call: dict[str, Any], english: str, chinese: str) -> None:
    choice = choose(RULES, asked(**call), known())
    assert choice is not None
    assert explain(choice, RULES) == (english, chinese)


def test_a_usual_call_reads_more_than_it_writes() -> None:
    assert price_of_a_usual_call(Price("USD", 10, 1)) > price_of_a_usual_call(Price("USD", 1, 10))
    assert price_of_a_usual_call(None) == 0
