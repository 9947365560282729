"""Mistakes that a ledger could have, planted one at a time: a simulator that does not find them proves nothing."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from waystation.ledger import poster, replay, store
from waystation.ledger.funds import bank, model
from waystation.ledger.funds import store as funds_store
from waystation.ledger.hold import CallHold
from waystation.ledger.journal import Journal
from waystation.ledger.records import SETTLE, Record

Plant = pytest.MonkeyPatch


def settling_gives_back_too_much(patch: Plant) -> None:
    """The whole hold comes free, not only what the call did not cost."""

    def settle(purses: Sequence[model.Purse], held: int, cost: int) -> None:
        model.settle(purses, held, cost)
        for purse in purses:
            purse.free += cost

    patch.setattr(bank, "settle", settle)


def settling_gives_nothing_back(patch: Plant) -> None:
    """What a call held and did not cost stays held."""

    def settle(purses: Sequence[model.Purse], held: int, cost: int) -> None:
        for purse in purses:
            purse.held -= cost
            purse.unposted += cost

    patch.setattr(bank, "settle", settle)


def a_settlement_is_not_journaled(patch: Plant) -> None:
    """It is in memory only."""
    end = Journal.end

    def forgetful(self: Journal, request_id: str, record: Record) -> None:
        if record[0] == SETTLE:
            self.open.pop(request_id, None)
        else:
            end(self, request_id, record)

    patch.setattr(Journal, "end", forgetful)


def a_hold_is_not_journaled(patch: Plant) -> None:
    """The call is dispatched without it."""
    patch.setattr(Journal, "begin", lambda self, request_id, _record: self.open.update({request_id: self.position}))


def an_extension_is_not_journaled(patch: Plant) -> None:
    """A journal knows less than is held."""
    patch.setattr(Journal, "extend", lambda _self, _record: True)


def every_hold_is_let_pass(patch: Plant) -> None:
    """Whether there is money or not."""

    def grab(purses: Sequence[model.Purse], amount: int) -> bool:
        for purse in purses:
            purse.free -= amount
            purse.held += amount
            purse.used += amount
        return True

    patch.setattr(bank, "grab", grab)
    patch.setattr("waystation.ledger.hold.grab", grab)


def posting_twice_is_not_noticed(patch: Plant) -> None:
    """What was posted is posted again under another name: nothing tells that it was there before."""

    def all_of_them(_connection: Any, records: Sequence[Record]) -> list[Record]:
        return [(record[0], record[1] + "_", *record[2:]) for record in records]

    patch.setattr(store, "not_posted", all_of_them)


def a_batch_loses_its_first_record(patch: Plant) -> None:
    """One of many is forgotten on the way to the database."""
    take = poster.Poster._take

    def some(self: poster.Poster) -> tuple[list[Record], int]:
        records, position = take(self)
        return (records[1:] if len(records) > 1 else records), position

    patch.setattr(poster.Poster, "_take", some)


def open_holds_are_not_recovered(patch: Plant) -> None:
    """What a dead worker was answering is free."""
    read_left = replay.read_left

    def without(*given: Any) -> Any:
        left = read_left(*given)
        left.open.clear()
        return left

    patch.setattr(replay, "read_left", without)


def the_dead_keep_their_allowances(patch: Plant) -> None:
    """What a worker that has ended was allowed stays so."""
    patch.setattr(funds_store, "release", lambda *_: None)


def allowances_are_not_spent(patch: Plant) -> None:
    """What is posted is counted as spent, and still allowed too."""
    patch.setattr(funds_store, "settle", lambda *_: None)


def a_failed_return_is_tried_again(patch: Plant) -> None:
    """Although it may have been done, only without saying so."""
    tick = bank.Bank.tick

    async def again(self: bank.Bank) -> None:
        before = {purse: purse.returning + purse.free for purse in self._purses.values()}
        try:
            await tick(self)
        except BaseException:
            for purse, amount in before.items():
                if purse.doubtful:
                    purse.doubtful, purse.returning = False, amount
            raise

    patch.setattr(bank.Bank, "tick", again)


def a_purse_is_forgotten_while_it_is_filled(patch: Plant) -> None:
    """When the database takes its time."""
    for module in (bank, model):
        patch.setattr(module, "is_used", lambda purse: bool(purse.held or purse.unposted))


def a_mark_goes_back(patch: Plant) -> None:
    """To where a journal ends, though more of it was posted before a power cut took that."""
    post = store.post

    def back(connection: Any, records: Any, epoch: int, position: int, *more: Any) -> Any:
        return post(connection, records, epoch, position if more[1:] else position - 1, *more)

    patch.setattr(store, "post", back)


def names_of_files_are_not_synced(patch: Plant) -> None:
    """A power cut takes a whole journal, and with it the way to give its allowances back."""
    patch.setattr("tests.sim.disk.Disk.sync_names", lambda _: None)


def an_answer_is_charged_above_its_hold(patch: Plant) -> None:
    """The customer pays for what a provider took beyond it."""
    patch.setattr("waystation.ledger.hold.split", lambda cost, _held: (cost, 0))


def who_leaves_pays_nothing(patch: Plant) -> None:
    """Although words have come."""
    leave = CallHold.__aexit__

    async def free(self: CallHold, *why: Any) -> None:
        self._pieces = 0
        await leave(self, *why)

    patch.setattr(CallHold, "__aexit__", free)


ALL: list[Callable[[Plant], None]] = [
    settling_gives_back_too_much,
    settling_gives_nothing_back,
    a_settlement_is_not_journaled,
    a_hold_is_not_journaled,
    an_extension_is_not_journaled,
    every_hold_is_let_pass,
    posting_twice_is_not_noticed,
    a_batch_loses_its_first_record,
    open_holds_are_not_recovered,
    the_dead_keep_their_allowances,
    allowances_are_not_spent,
    a_failed_return_is_tried_again,
    a_purse_is_forgotten_while_it_is_filled,
    a_mark_goes_back,
    names_of_files_are_not_synced,
    an_answer_is_charged_above_its_hold,
    who_leaves_pays_nothing,
]
