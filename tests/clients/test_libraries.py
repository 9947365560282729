"""Libraries that speak OpenAI's API: a loop of tools through each, in each of the two dialects that it has."""

from pathlib import Path

import pytest

from tests.clients.conftest import run_client
from tests.clients.environments import folder_of, node_modules
from tests.e2e.running import Running

pytestmark = pytest.mark.slow

SIDES = Path(__file__).parent / "sides"
NODE_SIDE = Path(__file__).parent / "node" / "tools.mjs"
MODEL = "gpt-4o"
TOOLS = 'How is it? [[call get_weather {"city": "Paris"}]] [[say It is mild.]]'
PERSON = 'Who is it? [[call Person {"name": "Ann", "age": 41}]]'


def side(client: str, script: str, running: Running, *arguments: str) -> list[str]:
    """The lines that a client's script prints."""
    command = [str(folder_of(client) / "bin" / "python"), str(SIDES / script), *arguments]
    return run_client(command, running).splitlines()


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
def test_openai_agents_runs_its_tools(directed: Running, api: str) -> None:
    assert side("openai-agents", "agents_side.py", directed, api, MODEL, TOOLS) == ["tool: Paris", "It is mild."]


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_langchain_runs_its_tools(directed: Running, api: str) -> None:
    said = side("langchain", "langchain_side.py", directed, api, MODEL, TOOLS)
    assert said == ["tool: Paris", "It is mild.", "streamed: Bye."]


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_llama_index_calls_its_tool(directed: Running, api: str) -> None:
    said = side("llama-index", "llama_index_side.py", directed, api, MODEL, TOOLS)
    assert said == ["tool: Paris", "21 degrees", "Bye."]


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_instructor_reads_an_object(directed: Running, api: str) -> None:
    assert side("instructor", "instructor_side.py", directed, api, MODEL, PERSON) == ["name='Ann' age=41"]


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_pydantic_ai_runs_its_tools(directed: Running, api: str) -> None:
    assert side("pydantic-ai", "pydantic_ai_side.py", directed, api, MODEL, TOOLS) == ["tool: Paris", "It is mild."]


def ai_sdk(running: Running, folder: Path, api: str, prompt: str) -> list[str]:
    """The lines that the AI SDK's script prints."""
    (folder / "node_modules").symlink_to(node_modules())  # a module looks for others beside itself
    script = folder / NODE_SIDE.name
    script.write_text(NODE_SIDE.read_text())
    return run_client(["node", str(script), api, MODEL, prompt], running).splitlines()


@pytest.mark.parametrize("api", ["chat", "compatible", "responses"])
def test_the_ai_sdk_runs_its_tools_and_reads_an_object(directed: Running, api: str, tmp_path: Path) -> None:
    said = ai_sdk(directed, tmp_path, api, TOOLS)
    streamed = "streamed: It is mild. true true"  # the tool's arguments came in pieces, and there was a usage
    assert said == ["tool: Paris", "It is mild.", "tool: Paris", streamed, "object: Ann 41"]
