"""What the OpenAI Agents SDK does beyond a loop of tools, in front of a provider of chats and one of the Responses API."""

from collections.abc import Mapping, Sequence

import pytest

from tests.clients.conftest import NATIVE_MODEL
from tests.clients.test_libraries import MODEL, side
from tests.e2e.running import Running

pytestmark = pytest.mark.slow

CONVERSED = ("tool: Paris", "It is mild.", "tool: Oslo", "It is cold.", "I am Ann.")
FEATURES = {
    "handoff": ("tool: Paris", "Forecaster said: It is mild."),
    "streamed": ("tool_called", "tool: Paris", "tool_output", "It is mild. / It is mild."),
    "structured": ("Person(name='Ann', age=41)",),
    "background": ("tool: Paris", "2 2 It is mild."),
    "tool_choice": ("tool: Paris", "It is mild."),
}
both = pytest.mark.parametrize("model", [MODEL, NATIVE_MODEL], ids=["chat", "responses"])


def told(running: Running, script: str, model: str, stories: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """What a script prints, by the name of the story that it prints before each."""
    said = "\n".join(side("openai-agents", script, running, model, *stories))
    parts = [part.splitlines() for part in said.split("-- ") if part]
    return {name: tuple(lines) for name, *lines in parts}


@both
def test_turns_are_joined_in_every_way(directed: Running, model: str) -> None:
    """`by_hand` has nothing kept: the model's thoughts go out encrypted, and come back so."""
    kept = f"kept: function_call function_call_output message{' reasoning' if model == NATIVE_MODEL else ''}"
    ways = ("previous_response", "chained_within_a_turn", "conversation", "by_hand")
    then = dict.fromkeys(ways, CONVERSED) | {"session": (*CONVERSED, kept)}
    assert told(directed, "agents_memory_side.py", model, then) == then


@both
def test_features_that_lean_on_the_platform(directed: Running, model: str) -> None:
    assert told(directed, "agents_features_side.py", model, FEATURES) == FEATURES
