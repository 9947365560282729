"""Which model a list of rules chooses for a call, and why, in a sentence. Pure: what is known of the models is given."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from waystation.catalogue.routing_nouns import Rule, When
from waystation.terms import Model, Price

# Of a usual call: what is read is several times what is written.
_INPUT_SHARE, _OUTPUT_SHARE = 3, 1


class Asked(Protocol):
    """A call as the rules see it (`question.py`)."""

    @property
    def has_images(self) -> bool: ...
    @property
    def has_tools(self) -> bool: ...
    @property
    def wants_json(self) -> bool: ...
    @property
    def input_tokens(self) -> int: ...
    @property
    def task(self) -> str: ...
    def can_be_answered_by(self, model: Model) -> bool: ...


class Known(NamedTuple):
    """What is known of the models, for one caller."""

    model: Callable[[str], Model | None]
    """By name, with the caller's price; None: there is none, or nobody knows what it costs this caller."""
    is_live: Callable[[Model], bool]
    latency_ms: Callable[[Model], float | None]
    """Measured, to the first byte; None: nobody has asked it lately."""


class Choice(NamedTuple):
    """A chosen model, the rule that chose it, and the names that were passed over on the way because they are down."""

    name: str
    number: int  # of the rule, from 1
    rule: Rule
    down: tuple[str, ...] = ()


def choose(rules: Sequence[Rule], asked: Asked, known: Known) -> Choice | None:
    """The first rule that fits and leads to a model that is live and can do what is asked.

    When all that could do it are down, the first of them; None: no rule leads to a model that can.
    """
    down: list[str] = []
    last_resort: Choice | None = None
    for number, rule in enumerate(rules, 1):
        if rule.when is not None and not fits(rule.when, asked):
            continue
        for name, model in _candidates(rule, asked, known):
            if known.is_live(model):
                return Choice(name, number, rule, tuple(down))
            if name not in down:
                down.append(name)
            last_resort = last_resort or Choice(name, number, rule)
    return last_resort


def fits(when: When, asked: Asked) -> bool:
    """Whether all that the condition says holds."""
    return (
        (when.images is None or when.images == asked.has_images)
        and (when.tools is None or when.tools == asked.has_tools)
        and (when.json is None or when.json == asked.wants_json)
        and (when.input_tokens_above is None or asked.input_tokens > when.input_tokens_above)
        and (when.task is None or when.task == asked.task)
    )


def _candidates(rule: Rule, asked: Asked, known: Known) -> Iterator[tuple[str, Model]]:
    """The models of a rule that can do what is asked, the best first."""
    names = (rule.use,) if rule.use is not None else rule.among
    able = [
        (name, model) for name in names if (model := known.model(name)) is not None and asked.can_be_answered_by(model)
    ]
    if rule.optimize == "cost":
        able.sort(key=lambda each: price_of_a_usual_call(each[1].price))  # stable: of equals the first that was named
    elif rule.optimize == "speed":
        able.sort(key=lambda each: _latency(known.latency_ms(each[1])))
    yield from able


def price_of_a_usual_call(price: Price | None) -> int:
    """To compare models by, of one currency: unmetered is nothing."""
    if price is None:
        return 0
    return _INPUT_SHARE * price.input_nano_per_million + _OUTPUT_SHARE * price.output_nano_per_million


def _latency(measured_ms: float | None) -> float:
    """What nobody has measured comes after what has been; all alike, the order of the list holds."""
    return float("inf") if measured_ms is None else measured_ms


# -- in words


def explain(choice: Choice, rules: Sequence[Rule]) -> tuple[str, str]:
    """Why this model, in English and Chinese: a sentence for people."""
    number = f"{choice.number}/{len(rules)}"
    en, zh = _because(choice.rule)
    down_en = f" Passed over because they are down: {', '.join(choice.down)}." if choice.down else ""
    down_zh = f"因不可用而跳过：{'、'.join(choice.down)}。" if choice.down else ""
    return (
        f"Rule {number} chose `{choice.name}`: {en}.{down_en}",
        f"规则 {number} 选择了 `{choice.name}`：{zh}。{down_zh}",
    )


def _because(rule: Rule) -> tuple[str, str]:
    conditions = [] if rule.when is None else list(_conditions(rule.when))
    en = " and ".join(each[0] for each in conditions) or "it is for all calls that no rule before it fits"
    zh = "，且".join(each[1] for each in conditions) or "适用于前面规则都不匹配的调用"
    if rule.optimize == "cost":
        return f"{en}, and of its models that one is the cheapest", f"{zh}，其中它最便宜"
    if rule.optimize == "speed":
        return f"{en}, and of its models that one answers fastest", f"{zh}，其中它响应最快"
    return en, zh


def _conditions(when: When) -> Iterator[tuple[str, str]]:
    for said, en, zh in (
        (when.images, "images", "图片"),
        (when.tools, "tools", "工具"),
    ):
        if said is not None:
            yield f"the request has {'' if said else 'no '}{en}", f"请求{'包含' if said else '不包含'}{zh}"
    if when.json is not None:
        yield (
            f"the answer {'must' if when.json else 'need not'} be JSON",
            f"{'要求' if when.json else '不要求'}以 JSON 回答",
        )
    if when.input_tokens_above is not None:
        yield (
            f"the input is longer than {when.input_tokens_above} tokens",
            f"输入超过 {when.input_tokens_above} 个 token",
        )
    if when.task is not None:
        yield f"the task looks like {_TASKS[when.task][0]}", f"任务看起来是{_TASKS[when.task][1]}"


_TASKS = {
    "code": ("code", "编程"),
    "translate": ("translation", "翻译"),
    "math": ("mathematics", "数学"),
    "chat": ("conversation", "对话"),
}
