"""Which language a terminal gets, and that the printed pages are those of the declarations."""

from pathlib import Path

import pytest

from waystation.cli.settings import page
from waystation.cli.words import is_chinese

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    ("environ", "chinese"),
    [
        ({}, False),
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh"}, True),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, False),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_TW.UTF-8", "LANG": "C"}, True),
    ],
)
def test_the_first_variable_that_is_set_decides(environ: dict[str, str], chinese: bool) -> None:
    assert is_chinese(environ) is chinese


def test_the_docs_page_is_printed_from_the_declarations() -> None:
    """If not: waystation settings > docs/guides/configuration.md"""
    assert (DOCS / "guides/configuration.md").read_text(encoding="utf-8") == page()
