"""Each safeguard of the ledger has a test that fails without it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutation.mutations import MUTATIONS, Mutation, copy_of_sources, row, run_tests, why

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Printed when all are done, whoever captures."""
    rows: list[str] = []
    yield rows
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("", *rows, sep="\n")


def test_on_the_sources_as_they_are_all_of_these_tests_pass(tmp_path: Path) -> None:
    told = run_tests(copy_of_sources(tmp_path), sorted({mutation.test for mutation in MUTATIONS}))
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.takes_out for mutation in MUTATIONS])
def test_who_takes_a_safeguard_out_is_told(mutation: Mutation, tmp_path: Path, table: list[str]) -> None:
    told = run_tests(copy_of_sources(tmp_path, mutation), [mutation.test])
    table.append(row(mutation, why(told) if told.returncode == 1 else "NOBODY NOTICED"))
    assert told.returncode == 1, (
        f"without {mutation.takes_out} {mutation.test} ends with {told.returncode}: {told.stdout}"
    )
