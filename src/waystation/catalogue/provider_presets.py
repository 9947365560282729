"""The base URLs of known providers, for a configuration that names a preset alone.

Quirks and parameter rules are the dialect's own; this is what the configuration must know before anything is asked.
"""

from typing import NamedTuple

from waystation.providers.model import Kind


class Preset(NamedTuple):
    base_url: str  # "": there is none that holds for everybody
    kind: Kind = "openai"
    is_local: bool = False  # a server that people run on their own machines and networks


PRESETS: dict[str, Preset] = {
    "openai": Preset("https://api.openai.com/v1"),
    "azure": Preset("", "azure"),
    "anthropic": Preset("https://api.anthropic.com", "anthropic"),
    "gemini": Preset("https://generativelanguage.googleapis.com/v1beta", "gemini"),
    "bedrock": Preset("", "bedrock"),
    "dashscope": Preset("https://dashscope.aliyuncs.com/compatible-mode/v1"),
    "dashscope-intl": Preset("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
    "deepseek": Preset("https://api.deepseek.com"),
    "moonshot": Preset("https://api.moonshot.cn/v1"),
    "zhipu": Preset("https://open.bigmodel.cn/api/paas/v4"),
    "volcengine": Preset("https://ark.cn-beijing.volces.com/api/v3"),
    "minimax": Preset("https://api.minimaxi.com/v1"),
    "siliconflow": Preset("https://api.siliconflow.cn/v1"),
    "openrouter": Preset("https://openrouter.ai/api/v1"),
    "ollama": Preset("http://127.0.0.1:11434/v1", is_local=True),
    "vllm": Preset("http://127.0.0.1:8000/v1", is_local=True),
    "sglang": Preset("http://127.0.0.1:30000/v1", is_local=True),
    "llamacpp": Preset("http://127.0.0.1:8080/v1", is_local=True),
}
