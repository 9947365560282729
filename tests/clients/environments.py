"""The clients' environments: each its own, in the version that is written here, made once and kept."""

import shutil
from pathlib import Path

from tests.e2e.sdks import CACHE, installed, npm_installed

NODE_PACKAGE = Path(__file__).parent / "node"
PYTHON_CLIENTS = {
    "openai-agents": ("openai-agents==0.24.0",),
    "langchain": ("langchain-openai==1.7.4",),
    "llama-index": ("llama-index-llms-openai==0.8.3",),
    "instructor": ("instructor==1.17.0",),
    "pydantic-ai": ("pydantic-ai-slim[openai]==2.68.0",),
    "llm": ("llm==0.36",),
    "aider": ("aider-chat==0.86.2",),
}


def folder_of(client: str) -> Path:
    """The environment's folder; its programs are in bin/."""
    return installed(CACHE / "clients" / client, PYTHON_CLIENTS[client])


def node_modules() -> Path:
    """What package-lock.json names: Codex and the AI SDK."""
    assert shutil.which("npm"), "node and npm have to be there for these clients"
    return npm_installed(CACHE / "clients" / "node", NODE_PACKAGE)


def main() -> None:
    for client in PYTHON_CLIENTS:
        folder_of(client)
    node_modules()


if __name__ == "__main__":
    main()
