"""Programs for the command line that speak OpenAI's API: each does a piece of work, from its configuration to its end."""

from pathlib import Path

import pytest

from tests.clients.conftest import CLIENT_S, NATIVE_MODEL, run_client
from tests.clients.environments import folder_of, node_modules
from tests.e2e.running import Running

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "clients.md"
ORIGIN = "http://127.0.0.1:8080/v1"
MODEL = "gpt-4o"
CODEX_WORK = """I am Ann. [[call exec_command {"cmd": "echo written by codex > note.txt && cat note.txt"}]] [[say It is there.]]"""
CODEX_MORE = """Who am I? [[call exec_command {"cmd": "cat note.txt"}]] [[recall]]"""
AIDER_WORK = """Make it friendly. [[say hello.py
<<<<<<< SEARCH
print("hello")
=======
print("hello, friend")
>>>>>>> REPLACE
]]"""


def codex_config(running: Running, model: str, web_search: str) -> str:
    """The guide's, for a server that is elsewhere."""
    shown = GUIDE.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    assert ORIGIN in shown
    shown = shown.replace(ORIGIN, running.base_url).replace(MODEL, model)
    return shown.replace('"disabled"', f'"{web_search}"')


def codex(
    running: Running,
    folder: Path,
    *words: str,
    model: str = MODEL,
    web_search: str = "disabled",
    resumes: bool = False,
    seconds: float = CLIENT_S,
) -> str:
    """What Codex says at the end of its work in a folder."""
    home, last = folder / "codex-home", folder / "last.txt"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(codex_config(running, model, web_search))
    command = [str(node_modules() / ".bin" / "codex"), "exec", *(("resume", "--last") if resumes else ())]
    # The sandbox needs namespaces that a container may not have; what is run here is written above.
    command += ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    command += ["--output-last-message", str(last), *words]
    run_client(command, running, folder=folder, more={"CODEX_HOME": str(home)}, seconds=seconds)
    return last.read_text().strip()


@pytest.mark.parametrize(
    ("model", "web_search"), [(MODEL, "disabled"), (NATIVE_MODEL, "cached")], ids=["chat", "responses"]
)
def test_codex_runs_a_command_and_goes_on_later(directed: Running, tmp_path: Path, model: str, web_search: str) -> None:
    """Its second session brings all of the first along, thoughts too: it has nothing kept."""
    assert codex(directed, tmp_path, CODEX_WORK, model=model, web_search=web_search) == "It is there."
    assert (tmp_path / "note.txt").read_text() == "written by codex\n"
    said = codex(directed, tmp_path, CODEX_MORE, model=model, web_search=web_search, resumes=True)
    assert said == "I am Ann."


def test_codex_with_a_tool_that_nobody_serves_is_told_so(directed: Running, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="web_search"):
        codex(directed, tmp_path, "[[say Hi.]]", web_search="cached")


def test_llm_asks_and_streams(directed: Running, tmp_path: Path) -> None:
    llm = [str(folder_of("llm") / "bin" / "llm"), "prompt", "-m", MODEL]
    home = {"LLM_USER_PATH": str(tmp_path)}
    assert run_client([*llm, "[[say Good day.]]"], directed, more=home).strip() == "Good day."
    assert run_client([*llm, "--no-stream", "[[say Good day.]]"], directed, more=home).strip() == "Good day."


def aider(running: Running, folder: Path, message: str, *more: str) -> str:
    """What it prints in a folder without git."""
    command = [str(folder_of("aider") / "bin" / "aider"), "--model", f"openai/{MODEL}", "--message", message]
    command += ["--no-git", "--yes-always", "--no-check-update", "--analytics-disable", "--no-show-model-warnings"]
    home = {"HOME": str(folder), "OPENAI_API_BASE": running.base_url}
    return run_client([*command, "--map-tokens", "0", *more], running, folder=folder, more=home)


def test_aider_edits_a_file(directed: Running, tmp_path: Path) -> None:
    file = tmp_path / "hello.py"
    file.write_text('print("hello")\n')
    aider(directed, tmp_path, AIDER_WORK, "--edit-format", "diff", "hello.py")
    assert file.read_text() == 'print("hello, friend")\n'
