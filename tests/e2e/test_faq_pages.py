"""The FAQ's pages: all 31 questions are in the index, each page is in both languages, and the tests that it names exist."""

import re
from pathlib import Path

import pytest

FAQ = Path(__file__).resolve().parents[2] / "docs" / "faq"
PAGES = sorted(FAQ.glob("[0-9]*.md"))
QUESTIONS = 31
LINK = re.compile(r"\[([^\]]*)\]\(([^)#]+)\)")


def links(page: Path) -> list[tuple[str, Path]]:
    """Each link's text and the file that it leads to."""
    return [
        (text.strip("`"), (page.parent / target).resolve())
        for text, target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target
    ]


def test_the_index_has_every_question_with_a_page_or_a_not_yet() -> None:
    index = FAQ / "index.md"
    rows = re.findall(r"(?m)^\| (\d+) \| (.*) \| (.*) \|$", index.read_text(encoding="utf-8"))
    assert [int(number) for number, _, _ in rows] == list(range(1, QUESTIONS + 1))
    for number, english, chinese in rows:
        served = ".md)" in english
        assert served == (".md)" in chinese), number
        assert served or ("*not yet*" in english and "*还没有做*" in chinese), number
    assert {target for _, target in links(index)} == set(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_in_both_languages(page: Path) -> None:
    _, english, chinese, shown = re.split(r"(?m)^##? ", page.read_text(encoding="utf-8"))
    number = str(int(page.stem))
    assert english.startswith(f"{number}. ")
    assert chinese.startswith(f"{number}. ")
    assert len(re.findall("[\u4e00-\u9fff]", chinese)) > 60
    assert shown.startswith("Shown by")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_links_to_exists(page: Path) -> None:
    found = links(page)
    assert [target for _, target in found if not target.exists()] == []
    tests = [(name, target) for name, target in found if name.startswith("test_")]
    assert tests, "a promise without a test is a wish"
    for name, target in tests:
        assert f"def {name}(" in target.read_text(encoding="utf-8"), name
