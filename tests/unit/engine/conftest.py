"""One real child per model for all tests of the engine."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.unit.engine.engine_stand import Engine, child, default_model
from waystation.engine.model import EMBEDDING_MODEL


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    data = tmp_path_factory.mktemp("engine")
    chat = default_model()
    with ExitStack() as children:
        children.enter_context(child(chat, data))
        children.enter_context(child(EMBEDDING_MODEL, data))
        yield Engine(data, chat)
