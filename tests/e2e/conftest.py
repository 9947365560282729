"""What the FAQ's samples are run with: the Python SDK in the versions that its readers have."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.sdks import python_with


@pytest.fixture(scope="session")
def pythons() -> dict[str, Callable[[], Path]]:
    """An interpreter for each version of the SDK, made when first asked for; the current version is the tests' own."""
    return {
        "3": lambda: Path(sys.executable),
        "1": lambda: python_with("openai-1.109.1"),
        "0.28": lambda: python_with("openai-0.28.1"),
    }
