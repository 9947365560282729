"""What is known of providers that speak OpenAI's dialect: where they are, and what each does in its own way.

Which parameters they take is in `catalogue/parameters_table.py`. "none" stands for any server that nobody has described.
"""

from difflib import get_close_matches

import msgspec

from waystation.dialects.chat_body import Prefill
from waystation.providers.model import ProviderConfig
from waystation.wire.hosted_tools import ALL

AZURE_API_VERSION = "2024-10-21"
"""The newest one of the old form that is generally available; the v1 form needs none."""
AZURE_STREAM_OPTIONS = "2024-09-01"
"""Older versions of the API refuse a request with `stream_options`: the usage of their streams is counted."""

AZURE_RESPONSES = "2025-03-01-preview"
"""The first version of the old form that has the Responses API."""


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """Whatever a provider's configuration doesn't say."""

    name: str
    base_url: str = ""  # "": the administrator's, as each has one of their own
    docs_url: str = ""
    read_on: str = ""  # the day on which the documentation said so
    stream_options: bool = (
        True  # usage of a stream is asked for in these; False: they are refused, usage comes or doesn't
    )
    prefill: Prefill = "message"  # how a deployment with `prefill` is told to go on
    prefill_path: str | None = None  # goes on only under this path, in place of its base URL's own
    prefill_at_no_effort: bool = False  # goes on only when it is told not to think, by `reasoning_effort: none`
    developer: bool = False  # it knows the role `developer`
    reasoning: str | None = None  # under this name it wants back what it thought, in conversations with tools
    # It speaks the Responses API for every model that it has. Where that holds for some only, a configuration says it.
    responses: bool = False
    tools: frozenset[str] = frozenset()  # that it runs itself, in that API
    encrypts_reasoning: bool = False  # hands out its reasoning encrypted, so that it need not keep it
    key_header: str = "authorization"
    key_needed: bool = True
    local: bool = False  # a server of one's own: that its address is private is as it should be
    # A GET under the base URL that costs nothing; None: there is none, so only a connection is made. Any answer below 500 says
    # that it is there, 401 and 403 that it refuses the credential.
    probe: str | None = "/models"


_READ_ON = "2026-11-24"

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(name="none", developer=True, key_needed=False),
        Preset(
            name="openai",
            base_url="https://api.openai.com/v1",
            docs_url="https://platform.openai.com/docs/api-reference/chat",
            read_on=_READ_ON,
            prefill="none",
            developer=True,
            responses=True,
            tools=ALL,
            encrypts_reasoning=True,
        ),
        Preset(
            name="azure",
            docs_url="https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/reasoning",
            read_on=_READ_ON,
            prefill="none",
            developer=True,
            responses=True,
            tools=ALL,
            encrypts_reasoning=True,
            key_header="api-key",
        ),
        Preset(
            name="dashscope",
            base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
            docs_url="https://help.aliyun.com/zh/model-studio/partial-mode",
            read_on=_READ_ON,
            prefill="partial",
        ),
        Preset(
            name="dashscope-intl",
            base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            docs_url="https://www.alibabacloud.com/help/en/model-studio/partial-mode",
            read_on=_READ_ON,
            prefill="partial",
        ),
        Preset(
            name="deepseek",
            base_url="https://api.deepseek.com",
            docs_url="https://api-docs.deepseek.com/guides/chat_prefix_completion",
            read_on=_READ_ON,
            prefill="prefix",
            prefill_path="/beta",
            reasoning="reasoning_content",
        ),
        Preset(
            name="moonshot",
            base_url="https://api.moonshot.cn/v1",
            docs_url="https://platform.moonshot.cn/docs/api/chat",
            read_on=_READ_ON,
            prefill="partial",
            reasoning="reasoning_content",
        ),
        Preset(
            name="zhipu",
            base_url="https://open.bigmodel.cn/api/paas/v4",
            docs_url="https://docs.bigmodel.cn/api-reference/模型-api/对话补全",
            read_on=_READ_ON,
            prefill="none",
            reasoning="reasoning_content",
            probe=None,
        ),
        Preset(
            name="volcengine",
            base_url="https://ark.cn-beijing.volces.com/api/v3",
            docs_url="https://www.volcengine.com/docs/82379/1359497",
            read_on=_READ_ON,
            prefill="message",
            reasoning="reasoning_content",
            probe=None,
        ),
        Preset(
            name="minimax",
            base_url="https://api.minimaxi.com/v1",
            docs_url="https://platform.minimax.io/docs/api-reference/text-openai-api",
            read_on=_READ_ON,
            prefill="none",
            reasoning="reasoning_content",
            probe=None,
        ),
        Preset(
            name="siliconflow",
            base_url="https://api.siliconflow.cn/v1",
            docs_url="https://docs.siliconflow.cn/cn/api-reference/chat-completions/chat-completions",
            read_on=_READ_ON,
            prefill="none",
        ),
        Preset(
            name="openrouter",
            base_url="https://openrouter.ai/api/v1",
            docs_url="https://www.openrouter.ai/docs/requests",
            read_on=_READ_ON,
            prefill="message",
            developer=True,
            reasoning="reasoning",
        ),
        Preset(
            name="ollama",
            base_url="http://127.0.0.1:11434/v1",
            docs_url="https://docs.ollama.com/api/openai-compatibility",
            read_on=_READ_ON,
            prefill="none",
            key_needed=False,
            local=True,
        ),
        Preset(
            name="vllm",
            base_url="http://127.0.0.1:8000/v1",
            docs_url="https://docs.vllm.ai/en/stable/serving/openai_compatible_server/",
            read_on=_READ_ON,
            prefill="continue_final_message",
            key_needed=False,
            local=True,
        ),
        Preset(
            name="sglang",
            base_url="http://127.0.0.1:30000/v1",
            docs_url="https://github.com/sgl-project/sglang/pull/4226",
            read_on=_READ_ON,
            prefill="continue_final_message",
            key_needed=False,
            local=True,
        ),
        Preset(
            name="llamacpp",
            base_url="http://127.0.0.1:8080/v1",
            docs_url="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
            read_on=_READ_ON,
            prefill="message",
            prefill_at_no_effort=True,
            key_needed=False,
            local=True,
        ),
    )
}


def preset_of(config: ProviderConfig) -> Preset:
    """The preset of a provider, "none" where it has none. Raises ValueError, in words for who wrote it."""
    name = config.preset or ("azure" if config.kind == "azure" else "none")
    preset = PRESETS.get(name)
    if preset is None:
        near = get_close_matches(name, PRESETS, 1)
        hint = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(PRESETS)}."
        raise ValueError(f"{name!r} is no preset.{hint}")
    return preset


def base_url_of(config: ProviderConfig) -> str:
    """Where its API begins. Raises ValueError when neither the configuration nor the preset says it."""
    url = config.base_url or preset_of(config).base_url
    if not url:
        raise ValueError(f"the provider {config.name!r} needs a base_url")
    return url


def may_be_private(config: ProviderConfig) -> bool:
    """Whether its host may have an address that is not public: an administrator said so, or it is a local server."""
    return config.allow_private_network or preset_of(config).local


def speaks_responses(config: ProviderConfig) -> bool:
    """Whether calls of the Responses API are passed on as they came: what the configuration says, else the preset."""
    if config.responses is not None:
        return config.responses
    preset = preset_of(config)
    old_azure = preset.name == "azure" and not base_url_of(config).rstrip("/").endswith("/v1")
    return preset.responses and (not old_azure or (config.api_version or "") >= AZURE_RESPONSES)


def tools_of(config: ProviderConfig) -> frozenset[str]:
    """The tools that it runs itself."""
    return preset_of(config).tools if config.hosted_tools is None else frozenset(config.hosted_tools)


def takes_stream_options(config: ProviderConfig) -> bool:
    """Whether the usage of a stream can be asked for."""
    version = config.api_version
    return (
        preset_of(config).name != "azure"
        or version is None
        or not version[:4].isdigit()
        or version >= AZURE_STREAM_OPTIONS
    )
