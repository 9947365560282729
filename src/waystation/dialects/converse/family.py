"""What a model id of Bedrock's says about what the model takes beyond the common parameters.

Ids are of the form `anthropic.claude-sonnet-4-5-20250929-v1:0`, with a region before it (`us.`, `global.`) or as the end of an
ARN. An application's inference profile hides its model: nothing special is asked of it.

Sources, November 2026: https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html,
…/claude-messages-extended-thinking.html, …/model-parameters-openai.html, …/prompt-caching.html and
https://docs.aws.amazon.com/nova/latest/nova2-userguide/using-converse-api.html.
"""

import re
from enum import StrEnum
from typing import NamedTuple

_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?")
_NEWEST = 99.0


class Maker(StrEnum):
    CLAUDE = "claude"
    NOVA = "nova"
    GPT_OSS = "gpt-oss"
    OTHER = ""


class Family(NamedTuple):
    maker: Maker
    version: float = 0.0

    @property
    def prefills(self) -> bool:
        """It goes on right after an assistant's message that comes last."""
        return self.maker is Maker.CLAUDE and self.version < 4.55

    @property
    def thinks_by_budget(self) -> bool:
        return self.maker is Maker.CLAUDE and 3.65 < self.version < 4.55

    @property
    def thinks_adaptively(self) -> bool:
        return self.maker is Maker.CLAUDE and self.version > 4.55

    @property
    def samples(self) -> bool:
        """It takes temperature, top_p and top_k: Claude does up to 4.6."""
        return self.maker is not Maker.CLAUDE or self.version < 4.65

    @property
    def takes_one_of_temperature_and_top_p(self) -> bool:
        return self.maker is Maker.CLAUDE and self.version > 4.05

    @property
    def caches_on_request(self) -> bool:
        return self.maker in (Maker.CLAUDE, Maker.NOVA)

    @property
    def takes_strict_tools(self) -> bool:
        return self.maker is Maker.CLAUDE and self.version > 4.45


def family(model: str) -> Family:
    name = model.lower()
    if "claude" in name:
        match = _CLAUDE.search(name)
        if match is None:  # `claude-v2`, `claude-instant`; a name without a number came with 4.7
            old = "claude-v" in name or "instant" in name
            return Family(Maker.CLAUDE, 2.0 if old else _NEWEST)
        return Family(Maker.CLAUDE, int(match[1]) + int(match[2] or 0) / 10)
    if "nova" in name:
        return Family(Maker.NOVA, 2.0 if "nova-2" in name else 1.0)
    return Family(Maker.GPT_OSS if "gpt-oss" in name else Maker.OTHER)
