"""The same clients in front of the model that comes with the product: small questions, for it is a small model."""

from pathlib import Path

import pytest

from tests.clients.conftest import run_client
from tests.clients.environments import folder_of
from tests.clients.test_libraries import MODEL, ai_sdk, side
from tests.clients.test_programs import aider, codex
from tests.e2e.running import Running

pytestmark = pytest.mark.slow

COUNT = "What is two plus two? Answer with one word."


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_instructor_reads_an_object_that_the_model_was_held_to(server: Running, api: str) -> None:
    said = side("instructor", "instructor_side.py", server, api, MODEL, "Ann is 41 years old.")
    assert said == ["name='Ann' age=41"]


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    ("client", "script"),
    [
        ("langchain", "langchain_side.py"),
        ("llama-index", "llama_index_chat_side.py"),
        ("pydantic-ai", "pydantic_ai_side.py"),
    ],
    ids=["langchain", "llama-index", "pydantic-ai"],
)
def test_a_library_reads_an_answer(server: Running, client: str, script: str, api: str) -> None:
    assert side(client, script, server, api, MODEL, COUNT)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_the_ai_sdk_reads_an_object_that_the_model_was_held_to(server: Running, api: str, tmp_path: Path) -> None:
    assert ai_sdk(server, tmp_path, api, COUNT)[-1].startswith("object: ")


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
def test_openai_agents_ends_with_an_answer(server: Running, api: str) -> None:
    assert side("openai-agents", "agents_side.py", server, api, MODEL, "What is the weather in Paris?")


def test_llm_streams_an_answer(server: Running, tmp_path: Path) -> None:
    llm = str(folder_of("llm") / "bin" / "llm")
    said = run_client([llm, "prompt", "-m", MODEL, COUNT], server, more={"LLM_USER_PATH": str(tmp_path)})
    assert said.strip()


def test_aider_answers_a_question(server: Running, tmp_path: Path) -> None:
    assert "Tokens:" in aider(server, tmp_path, f"/ask {COUNT}")


def test_codex_ends_with_an_answer(server: Running, tmp_path: Path) -> None:
    """It sends some 8,000 tokens of instructions, which two cores read in a minute and a half."""
    assert codex(server, tmp_path, "Say hello in one short sentence. Do not use tools.", seconds=400)
