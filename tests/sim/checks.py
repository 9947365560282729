"""What must hold when everything has settled, whatever went wrong before. Each finding is a sentence."""

from collections.abc import Iterator
from typing import Any

from tests.sim.upstream import Truth
from tests.sim.world import SIM_MODEL, World
from waystation.ledger.verify import verify
from waystation.metering.cost import cleaned, cost_nano
from waystation.terms import Usage


def findings(world: World) -> list[str]:
    """Everything that is wrong with a world whose workers are all closed or swept."""
    return [*world.wrong, *of_the_books(world), *of_the_journals(world), *_of_the_calls(world)]


def of_the_books(world: World) -> Iterator[str]:
    for problem in world.books.transact(verify):
        yield f"verify: {problem.table} {problem.row}: {problem.message}"
    rows = world.books.rows
    (total,) = rows("SELECT COALESCE(SUM(amount_nano), 0) FROM postings")[0]
    if total:
        yield f"all postings add up to {total} nano"
    for fund_id, amount in rows("SELECT fund_id, amount_nano FROM allowances"):
        yield f"fund {fund_id}: {amount} nano are still allowed to somebody"
    for fund_id, owner, allowed in rows("SELECT id, owner, allowed_nano FROM funds WHERE allowed_nano <> 0"):
        yield f"fund {fund_id} of {owner}: {allowed} nano are counted as allowed"
    for fund_id, owner, spent, cap in rows(
        "SELECT id, owner, spent_nano, cap_nano FROM funds WHERE spent_nano > cap_nano"
    ):
        if owner not in world.loosened:
            yield f"fund {fund_id} of {owner}: {spent} nano are spent of {cap}"


def of_the_journals(world: World) -> Iterator[str]:
    for name in world.disk.names():
        if name.endswith(".journal"):  # who is killed before its first file leaves an empty lock, and nothing in it
            yield f"{name} is left"
    for request_id in world.upstream.unheld:
        yield f"{request_id}: it was dispatched before its hold was in the journal"


def _of_the_calls(world: World) -> Iterator[str]:
    columns = "request_id, status, input_tokens, output_tokens, cost_nano, variance_nano"
    used = {row[0]: row for row in world.books.rows(f"SELECT {columns} FROM usage")}
    for request_id in used.keys() - world.truths.keys():
        yield f"{request_id}: it is charged and was never asked for"
    for request_id, truth in world.truths.items():
        row = used.get(request_id)
        if row is not None:
            yield from (f"{request_id}: {told}" for told in _of_a_charge(world, truth, row))
        elif request_id not in world.doubtful and (truth.answered or truth.words or truth.usage):
            yield f"{request_id}: it is lost: {truth.words} words came, answered: {truth.answered}"


def _of_a_charge(world: World, truth: Truth, row: tuple[Any, ...]) -> Iterator[str]:
    _, status, given, made, cost, variance = row
    written = world.written.get(truth.request_id)
    if written is None:
        yield "it is charged and was never held"
        return
    if cost > written.held_nano:
        yield f"{cost} nano are charged and {written.held_nano} were held"
    if cost + variance != cost_nano(Usage(given, made), SIM_MODEL.price):
        yield f"{cost} + {variance} nano are not the price of {given} and {made} tokens"
    if truth.request_id in world.doubtful:
        return
    if written.voided:
        yield f"it is charged {cost} nano and was voided"
    if truth.answered:
        if (status, cost) != ("ok", truth.cost_nano) and written.settled is not None:
            yield f"its caller was told {truth.cost_nano} nano, it is charged {cost} as {status}"
        said = Usage() if truth.kept else truth.usage and cleaned(truth.usage)
        if truth.kept and status == "ok" and cost:
            yield f"{cost} nano are charged and nobody was asked"
        if said and status == "ok" and (given, made) != (said.input_tokens, said.output_tokens):
            yield f"the provider counted {said.input_tokens} and {said.output_tokens} tokens, the books {given} and {made}"
    elif status in ("cancelled", "error") and made != truth.words:
        yield f"{truth.words} words came and {made} tokens are charged"
    if status == "recovered" and written.settled is not None:
        yield "it was settled and is recovered"
