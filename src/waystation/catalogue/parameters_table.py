"""Which upstream takes which parameters, as its documentation says. The rules themselves are in `parameters.py`.

A parameter without a rule passes as it is. What only changes how an answer comes out is dropped where it is not known, and
named as ignored; what changes what an answer is (how many choices, probabilities) is refused.
"""

from typing import Any

from waystation.catalogue.parameters import ANY, Rule, Rules, RuleSet, Table

READ_ON = "2026-11-24"

_ON, _OFF = {"type": "enabled"}, {"type": "disabled"}


def _drop(*names: str) -> tuple[Rule, ...]:
    return tuple(Rule(name) for name in names)


def _efforts(**values: str) -> Rule:
    """Efforts of reasoning under the names that are known there."""
    return Rule("reasoning_effort", values={given: {"reasoning_effort": name} for given, name in values.items()})


def _switch(on: dict[str, Any], off: dict[str, Any]) -> Rule:
    """An upstream that thinks or doesn't."""
    return Rule("reasoning_effort", values={"none": off, ANY: on})


ONE_CHOICE = Rule("n", refuse=True, passes=(1,))
NO_PROBABILITIES = (Rule("logprobs", refuse=True, passes=(False,)), Rule("top_logprobs", refuse=True, passes=(0,)))
ONLY_OPENAI = _drop(
    "metadata",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "verbosity",
    "web_search_options",
)
NO_TIERS = Rule("service_tier", passes=("auto", "default"))
OLD_LIMIT = Rule("max_completion_tokens", to="max_tokens")
NEW_LIMIT = Rule("max_tokens", to="max_completion_tokens")
BUDGETS = Rule(
    "reasoning_effort",
    values={
        "none": {"enable_thinking": False},
        "minimal": {"enable_thinking": True, "thinking_budget": 1024},
        "low": {"enable_thinking": True, "thinking_budget": 4096},
        "medium": {"enable_thinking": True, "thinking_budget": 16384},
        ANY: {"enable_thinking": True},
    },
)
FIXED = (
    Rule("temperature", passes=(1,)),
    Rule("top_p", passes=(1,)),
    Rule("frequency_penalty", passes=(0,)),
    Rule("presence_penalty", passes=(0,)),
    Rule("logit_bias", passes=({},)),
    *NO_PROBABILITIES,
)
FIXED_WHILE_REASONING = tuple(
    Rule(rule.parameter, refuse=rule.refuse, passes=rule.passes, passes_at_effort=("", "none")) for rule in FIXED
)

OPENAI = ("openai", "azure", "none")
REASONING_URL = "https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/reasoning"
CHAT_URL = "https://platform.openai.com/docs/api-reference/chat/create"
DASHSCOPE_URL = "https://www.alibabacloud.com/help/en/model-studio/deep-thinking"
DEEPSEEK_URL = "https://api-docs.deepseek.com/guides/thinking_mode"
MOONSHOT_URL = "https://platform.kimi.com/docs/api/models-overview"
ZHIPU_URL = "https://docs.bigmodel.cn/api-reference/模型-api/对话补全"
ARK_URL = "https://docs.byteplus.com/en/docs/Byteplus_LAS/Chat_API"
MINIMAX_URL = "https://platform.minimax.io/docs/api-reference/text-openai-api"
SILICONFLOW_URL = "https://docs.siliconflow.cn/cn/api-reference/chat-completions/chat-completions"
OLLAMA_URL = "https://docs.ollama.com/api/openai-compatibility"
VLLM_URL = "https://docs.vllm.ai/en/stable/serving/openai_compatible_server/"
LLAMACPP_URL = "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"

_DATED = r"(-20\d\d.*|-\d{4})?"

SETS = (
    # -- OpenAI and Azure, by model
    RuleSet(
        "openai-chat",
        OPENAI,
        (Rule("reasoning_effort"), Rule("verbosity")),
        rf"(.*/)?(gpt-3\.5|gpt-4|chatgpt-4o|gpt-4o|gpt-4\.1|gpt-5(\.\d)?-chat).*{_DATED}",
        CHAT_URL,
        READ_ON,
    ),
    RuleSet(
        "openai-o",
        OPENAI,
        (
            NEW_LIMIT,
            *FIXED,
            *_drop("verbosity", "parallel_tool_calls"),
            _efforts(none="low", minimal="low", xhigh="high", max="high"),
        ),
        r"(.*/)?o[134](-.*)?",
        REASONING_URL,
        READ_ON,
    ),
    RuleSet(
        "openai-gpt-5",
        OPENAI,
        (NEW_LIMIT, *FIXED, _efforts(none="minimal", xhigh="high", max="high")),
        rf"(.*/)?gpt-5(-(mini|nano|pro|codex.*))?{_DATED}",
        REASONING_URL,
        READ_ON,
    ),
    RuleSet(
        "openai-gpt-5.1",
        OPENAI,
        (NEW_LIMIT, *FIXED_WHILE_REASONING, _efforts(minimal="low", max="xhigh")),
        r"(.*/)?gpt-5\.\d+(-.*)?",
        REASONING_URL,
        READ_ON,
    ),
    RuleSet("openai", ("openai", "azure"), _drop("top_k"), source=CHAT_URL, read_on=READ_ON),
    # -- in China
    RuleSet(
        "dashscope-open",  # the open models think unless told otherwise, and then answer only in streams
        ("dashscope", "dashscope-intl"),
        (),
        r"qwen3-[\d.]+b(-a\d+b)?",
        "https://www.alibabacloud.com/help/en/model-studio/qwen-api-via-openai-chat-completions",
        READ_ON,
        {"enable_thinking": False},
    ),
    RuleSet(
        "dashscope-thinking",
        ("dashscope", "dashscope-intl"),
        (BUDGETS,),
        r"(qwen-(plus|flash|turbo)|qwen3|qvq|qwq|deepseek-v3|deepseek-v4|glm-|kimi-).*",
        DASHSCOPE_URL,
        READ_ON,
    ),
    RuleSet(
        "dashscope",
        ("dashscope", "dashscope-intl"),
        (OLD_LIMIT, *_drop("reasoning_effort", "logit_bias"), NO_TIERS, *ONLY_OPENAI),
        source=DASHSCOPE_URL,
        read_on=READ_ON,
    ),
    RuleSet(
        "deepseek-reasoner",
        ("deepseek",),
        (*NO_PROBABILITIES, Rule("reasoning_effort")),
        r"deepseek-reasoner",
        DEEPSEEK_URL,
        READ_ON,
    ),
    RuleSet(
        "deepseek",
        ("deepseek",),
        (
            OLD_LIMIT,
            ONE_CHOICE,
            Rule("reasoning_effort", values={"none": {"thinking": _OFF}}),  # it knows all others
            *_drop("frequency_penalty", "presence_penalty", "logit_bias", "seed", "parallel_tool_calls"),
            NO_TIERS,
            *ONLY_OPENAI,
        ),
        source=DEEPSEEK_URL,
        read_on=READ_ON,
    ),
    RuleSet("moonshot-v1", ("moonshot",), (Rule("temperature", at_most=1),), r"moonshot-v1.*", MOONSHOT_URL, READ_ON),
    RuleSet(
        "moonshot-k3",
        ("moonshot",),
        (_efforts(none="low", minimal="low", medium="high", xhigh="max"),),
        r"kimi-k[3-9].*",
        MOONSHOT_URL,
        READ_ON,
    ),
    RuleSet(
        "moonshot-thinking",
        ("moonshot",),
        (_switch({"thinking": _ON}, {"thinking": _OFF}),),
        r"kimi-k2\.[56].*",
        MOONSHOT_URL,
        READ_ON,
    ),
    RuleSet(
        "moonshot-kimi",  # how these sample is fixed; another value is an error there
        ("moonshot",),
        (*_drop("temperature", "top_p", "frequency_penalty", "presence_penalty"), ONE_CHOICE),
        r"kimi-.*",
        MOONSHOT_URL,
        READ_ON,
    ),
    RuleSet(
        "moonshot",
        ("moonshot",),
        (
            NEW_LIMIT,
            *NO_PROBABILITIES,
            *_drop("reasoning_effort", "logit_bias", "seed", "parallel_tool_calls"),
            NO_TIERS,
            *(rule for rule in ONLY_OPENAI if rule.parameter not in ("prompt_cache_key", "safety_identifier")),
        ),
        source=MOONSHOT_URL,
        read_on=READ_ON,
    ),
    RuleSet(
        "zhipu-thinking",
        ("zhipu",),
        (_switch({"thinking": _ON}, {"thinking": _OFF}),),
        r"glm-4\.[5-9].*|glm-5(\.[01])?(-.*)?",
        ZHIPU_URL,
        READ_ON,
    ),
    RuleSet("zhipu-5.2", ("zhipu",), (_efforts(),), r"glm-5\.[2-9].*|glm-[6-9].*", ZHIPU_URL, READ_ON),
    RuleSet(
        "zhipu",
        ("zhipu",),
        (
            OLD_LIMIT,
            ONE_CHOICE,
            *NO_PROBABILITIES,
            Rule("temperature", at_most=1),
            Rule("user", to="user_id"),
            *_drop("reasoning_effort", "frequency_penalty", "presence_penalty", "logit_bias", "seed"),
            *_drop("parallel_tool_calls"),
            NO_TIERS,
            *ONLY_OPENAI,
        ),
        source=ZHIPU_URL,
        read_on=READ_ON,
    ),
    RuleSet(
        "volcengine-others",
        ("volcengine",),
        (_switch({"thinking": _ON}, {"thinking": _OFF}),),
        r"(deepseek|glm|kimi)-.*",
        ARK_URL,
        READ_ON,
    ),
    RuleSet(
        "volcengine",
        ("volcengine",),
        (
            NEW_LIMIT,  # their max_tokens leaves out what is thought, and so the most that is paid
            ONE_CHOICE,
            _efforts(none="minimal", xhigh="high", max="high"),
            Rule("service_tier", passes=("auto", "default")),
            *_drop("seed", "user"),
            *ONLY_OPENAI,
        ),
        source=ARK_URL,
        read_on=READ_ON,
    ),
    RuleSet(
        "minimax",
        ("minimax",),
        (
            NEW_LIMIT,
            ONE_CHOICE,
            *NO_PROBABILITIES,
            Rule("temperature", at_most=1),
            *_drop("reasoning_effort", "frequency_penalty", "presence_penalty", "logit_bias", "seed", "user"),
            NO_TIERS,
            *ONLY_OPENAI,
        ),
        source=MINIMAX_URL,
        read_on=READ_ON,
    ),
    RuleSet(
        "siliconflow",
        ("siliconflow",),
        (OLD_LIMIT, BUDGETS, *_drop("logit_bias", "presence_penalty", "seed", "user"), NO_TIERS, *ONLY_OPENAI),
        source=SILICONFLOW_URL,
        read_on=READ_ON,
    ),
    # -- one's own servers
    RuleSet(
        "ollama",
        ("ollama",),
        (OLD_LIMIT, ONE_CHOICE, *_drop("logit_bias", "user", "parallel_tool_calls"), NO_TIERS, *ONLY_OPENAI),
        source=OLLAMA_URL,
        read_on=READ_ON,
    ),
    RuleSet(
        "template-thinking",
        ("vllm", "sglang"),
        (
            _switch(
                {"chat_template_kwargs": {"enable_thinking": True}},
                {"chat_template_kwargs": {"enable_thinking": False}},
            ),
        ),
        r"(.*/)?(qwen3|glm-4\.[5-9]|glm-5).*",
        VLLM_URL,
        READ_ON,
    ),
    RuleSet(
        "template-thinking-deepseek",
        ("vllm", "sglang"),
        (_switch({"chat_template_kwargs": {"thinking": True}}, {"chat_template_kwargs": {"thinking": False}}),),
        r"(.*/)?(deepseek-v3\.[1-9]|deepseek-v4).*",
        VLLM_URL,
        READ_ON,
    ),
    RuleSet("vllm", ("vllm", "sglang"), (NO_TIERS, *ONLY_OPENAI), source=VLLM_URL, read_on=READ_ON),
    RuleSet("llamacpp", ("llamacpp",), (OLD_LIMIT, NO_TIERS, *ONLY_OPENAI), source=LLAMACPP_URL, read_on=READ_ON),
)

TABLE = Table(SETS)


def rules_for(preset: str, upstream_model: str, name: str = "") -> Rules:
    """The rules of a deployment; see `Table.rules_for`."""
    return TABLE.rules_for(preset, upstream_model, name)
