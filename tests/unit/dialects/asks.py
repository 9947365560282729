"""An Ask with something of everything, and what tests say about readers of answers."""

from collections.abc import Callable, Iterator, Sequence

from waystation.dialects.ask import (
    Ask,
    Document,
    Format,
    Image,
    Reasoning,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from waystation.dialects.saying import CallDelta, Reader, ReasoningDelta, Saying, TextDelta

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJSVFT0YK"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def hello(**more: object) -> Ask:
    """The simplest question."""
    return Ask(**{"stream": False, "turns": (Turn("user", (Text("Hello"),)),), **more})  # type: ignore[arg-type]


def tool_loop(*, signature: str | None = None, thought: str | None = None) -> tuple[Turn, ...]:
    """A question, two parallel calls, their results."""
    reasoning = (Reasoning("Two cities.", thought),) if thought is not None else ()
    first = ToolUse("call_1", "weather", '{"city":"Oslo"}', signature=signature)
    second = ToolUse("call_2", "weather", '{"city":"Rome"}')
    return (
        Turn("system", (Text("Be brief."),)),
        Turn("user", (Text("Where is it warmer?"),)),
        Turn("assistant", (*reasoning, Text("I look."), first, second)),
        Turn("user", (ToolResult("call_1", "weather", (Text("3 degrees"),)),)),
        Turn("user", (ToolResult("call_2", "weather", (Text("no such city"),), is_error=True), Text("Well?"))),
    )


FULL = Ask(
    stream=True,
    turns=(
        *tool_loop(),
        Turn("assistant", (Text("Oslo is colder."),)),
        Turn(
            "user",
            (
                Text("Look at these.", cache=True),
                Image(data=PNG, media_type="image/png", detail="low"),
                Document(data=PDF, media_type="application/pdf", name="a report (1).pdf"),
            ),
        ),
    ),
    tools=(Tool("weather", "The weather of a city", SCHEMA, strict=True), Tool("now")),
    tool_choice=ToolChoice("named", "weather"),
    format=Format(SCHEMA, "place", "Where it is", strict=True),
    output_tokens_max=4000,
    temperature=0.5,
    stops=("END",),
)


def split(data: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """The same bytes in pieces."""
    begin = 0
    for cut in sorted({cut % (len(data) + 1) for cut in cuts}):
        yield data[begin:cut]
        begin = cut
    yield data[begin:]


def read(reader: Reader, pieces: Sequence[bytes] | Iterator[bytes]) -> list[Saying]:
    """All that an answer says."""
    sayings: list[Saying] = []
    for piece in pieces:
        if reader.over:
            break
        sayings += reader.feed(piece)
    return sayings + reader.finish()


def text_in(sayings: Sequence[Saying]) -> str:
    return "".join(saying.text for saying in sayings if isinstance(saying, TextDelta))


def thoughts_in(sayings: Sequence[Saying]) -> str:
    return "".join(saying.text for saying in sayings if isinstance(saying, ReasoningDelta))


def arguments_in(sayings: Sequence[Saying], index: int = 0) -> str:
    deltas = (saying for saying in sayings if isinstance(saying, CallDelta))
    return "".join(delta.arguments for delta in deltas if delta.index == index)


NewReader = Callable[[], Reader]
