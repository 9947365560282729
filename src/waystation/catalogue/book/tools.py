"""What OpenAI asks for calls of its built-in tools, beyond tokens.

The price page itself could not be read; these are its figures as others quote them, so their source and day are those of the
quotes. Of mcp and the code interpreter no quote of this year was found; image generation is billed by tokens of another model
and a hosted shell by its container's size and time, of which a response says nothing. All these have no fee here and are
refused until an administrator names one: unknown is never free.
"""

import re

from msgspec.structs import replace

from waystation.terms import Price

OPENAI = "openai"  # the provider's name in the book
SOURCE = "fees of tools as quoted 2026-03 and 2026-11"
"""Web search: https://community.openai.com/t/search-web-using-openai-api/1363698, read on 2026-11-24. File search:
https://www.modelcostwatch.com/openai/tool-costs/file-search, of 2026-03-12."""

FEES_NANO = {
    "file_search": 2_500_000,  # 2.50 for 1000 calls
    "web_search": 10_000_000,  # 10 for 1000 calls
    "web_search_preview": 10_000_000,
}
PREVIEW_WITHOUT_REASONING_NANO = 25_000_000  # 25 for 1000 calls
_REASONS = re.compile(r"o\d|gpt-[5-9](?!.*chat)|.*codex|computer-use")


def with_tool_fees(price: Price, model: str) -> Price:
    """The price of one of OpenAI's models with the fees for tools; a price in another currency stays as it is."""
    if price.currency != "USD":
        return price
    fees = FEES_NANO if _REASONS.match(model) else FEES_NANO | {"web_search_preview": PREVIEW_WITHOUT_REASONING_NANO}
    return replace(price, tools=fees, source=f"{price.source}; {SOURCE}")
