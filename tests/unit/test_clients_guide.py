"""The guide to clients names the versions that are tested, in both languages, with the same snippets."""

import json
from pathlib import Path

import pytest

from tests.clients.environments import NODE_PACKAGE, PYTHON_CLIENTS

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


def text(file: str) -> str:
    return (GUIDES / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("file", ["clients.md", "clients.zh-CN.md"])
def test_the_versions_are_those_that_are_tested(file: str) -> None:
    pinned = [package.split("==")[1] for packages in PYTHON_CLIENTS.values() for package in packages]
    of_node = json.loads((NODE_PACKAGE / "package.json").read_text())["dependencies"]
    pinned += [version for name, version in of_node.items() if name != "zod"]
    assert [version for version in pinned if version not in text(file)] == []


def test_both_languages_show_the_same_snippets() -> None:
    assert text("clients.md").split("```")[1::2] == text("clients.zh-CN.md").split("```")[1::2]
