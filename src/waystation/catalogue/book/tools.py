"""What OpenAI asks for calls of its built-in tools, beyond tokens: list prices of a day, as all of the book.

Image generation is billed by tokens of another model and a hosted shell by its container's size and time: of neither a
response says how much it was, so they have no fee here and are refused until an administrator names one.
"""

import re

from msgspec.structs import replace

from waystation.terms import Price

OPENAI = "openai"  # the provider's name in the book
SOURCE = "https://developers.openai.com/api/docs/pricing"
READ_ON = "2026-11-24"

FEES_NANO = {
    "code_interpreter": 30_000_000,  # 0.03 for a session of the smallest container
    "file_search": 2_500_000,  # 2.50 for 1000 calls
    "mcp": 0,
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
    return replace(price, tools=fees, source=f"{price.source}; tools {SOURCE} {READ_ON}")
