"""The page of parameter rules, printed from the table: docs/guides/parameters.md and its Chinese twin."""

from typing import Literal

from waystation.catalogue.parameters import ANY, Rule, RuleSet
from waystation.catalogue.parameters_table import SETS

Language = Literal["en", "zh"]

_INTRO = {
    "en": """# Parameters, and who takes them

Upstreams differ in the parameters that they know. A parameter without a line here passes as it was sent. Others are sent
under another name or value (the answer says so in `x-waystation-mapped`, as `max_tokens>max_completion_tokens`), dropped
(named in `x-waystation-ignored`), or refused with 400 and `param`, where the answer would be another one without them.

The rules are found by the provider's preset (or kind) and the model's name there, the first line for a parameter counts.
A deployment that is called otherwise, as on Azure, names its rules: `rules = "openai-gpt-5"`; `rules = "none"` switches
them off. This page is printed by `python -m waystation.catalogue.parameters_page en`.
""",
    "zh": """# 参数，以及谁接受它们

各上游认识的参数不同。下表没有列出的参数原样转发。其余的参数要么换一个名字或值转发（答复的
`x-waystation-mapped` 头会写明，例如 `max_tokens>max_completion_tokens`），要么被去掉（列在 `x-waystation-ignored`），
要么在去掉会改变答复性质时以 400 和 `param` 拒绝。

规则按提供方的预设（或种类）和上游模型名查找，同一参数以先列出的为准。名称不同的部署（例如在 Azure 上）可以写明规则：
`rules = "openai-gpt-5"`；`rules = "none"` 表示不用任何规则。本页由 `python -m waystation.catalogue.parameters_page zh` 打印。
""",
}
_HEAD = {"en": "| parameter | what becomes of it |", "zh": "| 参数 | 如何处理 |"}
_AT = {"en": "At {presets}", "zh": "适用于 {presets}"}
_MODELS = {"en": ", models `{models}`", "zh": "，模型 `{models}`"}
_WHOLE = {
    "en": "Where an answer is not streamed, and the caller doesn't say otherwise: {members}.",
    "zh": "非流式请求且调用方未指定时：{members}。",
}
_SOURCE = {"en": "Source: <{source}>, read on {read_on}.", "zh": "来源：<{source}>，{read_on} 查阅。"}


def page(language: Language) -> str:
    """The whole page."""
    return "\n".join([_INTRO[language], *(_section(each, language) for each in SETS)]).rstrip() + "\n"


def _section(rules: RuleSet, language: Language) -> str:
    where = _AT[language].format(presets=", ".join(f"`{preset}`" for preset in rules.presets))
    if rules.models != ".*":
        where += _MODELS[language].format(models=rules.models.replace("|", "\\|"))
    lines = [f"## {rules.name}", "", where + ("." if language == "en" else "。")]
    if rules.rules:
        lines += ["", _HEAD[language], "| --- | --- |"]
        lines += [f"| `{rule.parameter}` | {fate(rule, language)} |" for rule in rules.rules]
    if rules.whole:
        members = ", ".join(f"`{name}: {_json(value)}`" for name, value in rules.whole.items())
        lines += ["", _WHOLE[language].format(members=members)]
    if rules.source:
        lines += ["", _SOURCE[language].format(source=rules.source, read_on=rules.read_on)]
    return "\n".join([*lines, ""])


def fate(rule: Rule, language: Language) -> str:
    """What becomes of a parameter, in words."""
    chinese = language == "zh"
    if rule.to is not None:
        told = f"以 `{rule.to}` 发送" if chinese else f"sent as `{rule.to}`"
    elif rule.values is not None:
        told = _values(rule.values, chinese)
    elif rule.at_most is not None:
        told = f"最大为 {rule.at_most:g}" if chinese else f"at most {rule.at_most:g}"
    elif rule.refuse:
        told = "拒绝（400）" if chinese else "refused (400)"
    else:
        told = "去掉" if chinese else "dropped"
    if rule.passes:
        values = ", ".join(f"`{_json(value)}`" for value in rule.passes)
        told += f"（除非是 {values}）" if chinese else f", unless it is {values}"
    if rule.passes_at_effort:
        told += "（仅在推理时）" if chinese else ", while the model reasons"
    return told


def _values(values: dict[str, dict[str, object]], chinese: bool) -> str:
    if not values:
        return "原样转发" if chinese else "passed as it is"
    others = "其余" if chinese else "others"
    arrow = " → "
    return "; ".join(
        f"{others if given == ANY else f'`{given}`'}{arrow}{', '.join(f'`{name}: {_json(value)}`' for name, value in sent.items())}"
        for given, sent in values.items()
    )


def _json(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_json(inner)}" for name, inner in value.items()) + "}"
    return str(value)


if __name__ == "__main__":
    import sys

    sys.stdout.write(page("zh" if sys.argv[1:] == ["zh"] else "en"))
