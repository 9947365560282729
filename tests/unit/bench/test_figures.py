"""What the bench makes of what it saw: process trees, books, medians, the table."""

from typing import Any

import pytest

from bench.books import BooksDiffer, Counts, funds_verdict, records, verdict
from bench.machine import stat_fields, tree
from bench.measure import Window
from bench.report import CLOSED, DIRECT, GATEWAY, OPEN, REFERENCE, Line, compare, summarize, table
from bench.session import sums_of
from bench.tools import MissingTool, find_tool


def window(server: str, kind: str, **seen: Any) -> Window:
    cpu_s = seen.pop("cpu_s", 1.0)
    return Window(server, kind, cpu_s, 0.9, {"ok": 1000, "calls_per_s": 1.0, "chunks": 0, **seen})


def latencies(p50_us: float) -> dict[str, float]:
    return {"p50": p50_us, "p99": p50_us, "p999": p50_us}


def line(lines: list[Line], beginning: str) -> Line:
    return next(line for line in lines if line.what.startswith(beginning))


def test_a_process_name_with_spaces_and_brackets_is_read_over() -> None:
    assert stat_fields("12 (a (b) c) S 7 1 2\n")[:2] == ["S", "7"]


def test_a_tree_is_a_process_with_all_that_descend_from_it() -> None:
    assert sorted(tree(10, {10: 1, 11: 10, 12: 11, 13: 1, 14: 13, 15: 10})) == [10, 11, 12, 15]


def test_journal_counts_are_summed_over_workers() -> None:
    text = "\n".join(
        f'waystation_ledger_records_total{{kind="{kind}",worker="{worker}"}} {count}'
        for kind, count in (("hold", 5), ("settle", 4), ("void", 1))
        for worker in (0, 1)
    )
    assert records(text) == {"hold": 10, "settle": 8, "void": 2}


def test_metrics_without_journal_counts_are_no_proof() -> None:
    with pytest.raises(BooksDiffer, match="settle, void"):
        records('waystation_ledger_records_total{kind="hold"} 5')


@pytest.mark.parametrize(
    ("seen", "agrees"),
    [
        (Counts(rows=9, rollup=9, hold=9, settle=9, void=0), True),
        (Counts(rows=8, rollup=9, hold=9, settle=9, void=0), False),
        (Counts(rows=10, rollup=9, hold=9, settle=9, void=0), False),
        (Counts(rows=9, rollup=8, hold=9, settle=9, void=0), False),
        (Counts(rows=9, rollup=9, hold=10, settle=9, void=0), False),
        (Counts(rows=9, rollup=9, hold=10, settle=9, void=1), False),
        (Counts(rows=0, rollup=0, hold=0, settle=0, void=0), False),
    ],
)
def test_books_agree_only_when_every_count_does(seen: Counts, agrees: bool) -> None:
    assert (verdict(9, seen) == "") is agrees


@pytest.mark.parametrize(
    ("funds", "words"),
    [
        ([(70, 1), (70, 1)], ""),
        ([(70, 1)], "1 of 2 budgets have a fund"),
        ([(70, 1), (60, 1)], "cost 70 nano"),
        ([(70, 1), (80, 1)], "cost 70 nano"),
        ([(70, 1), (70, 0)], "no worker was allowed"),
    ],
)
def test_a_budget_that_was_not_asked_or_has_not_counted_is_found(funds: list[tuple[int, int]], words: str) -> None:
    wrong = funds_verdict(70, funds, budgets=2)
    assert words in wrong
    assert bool(wrong) is bool(words)


def test_who_has_no_budgets_has_no_funds() -> None:
    assert funds_verdict(70, [], budgets=0) == ""


def test_cost_of_a_run_follows_from_its_calls() -> None:
    sums = sums_of(calls=3, streams=1)
    assert (sums.rows, sums.input_tokens, sums.output_tokens) == (3, 72, 228)
    assert sums.cost_nano == 72 * 150 + 228 * 600


def test_figures_are_medians_over_the_rounds() -> None:
    windows = [window(GATEWAY, CLOSED, cpu_s=cpu_s) for cpu_s in (0.04, 9.0, 0.05)]
    windows += [window(REFERENCE, CLOSED, cpu_s=cpu_s) for cpu_s in (0.02, 0.02, 0.02)]
    cpu = line(summarize(windows), "CPU-s per 1000 calls, saturated")
    assert (cpu.gateway, cpu.reference, cpu.ratio, cpu.met) == (0.05, 0.02, 2.5, True)


def test_added_latency_is_taken_from_the_direct_one_of_the_same_round() -> None:
    windows = [window(GATEWAY, OPEN, latency_us=latencies(us)) for us in (900, 700, 500)]
    windows += [window(DIRECT, OPEN, latency_us=latencies(us)) for us in (500, 100, 200)]
    added = line(summarize(windows), "added latency at a fixed rate, p50")
    assert (added.gateway, added.reference, added.met) == (0.4, None, True)


def test_what_a_part_costs_is_the_median_of_what_each_round_saw() -> None:
    windows = [window(GATEWAY, CLOSED, cpu_s=cpu_s) for cpu_s in (0.10, 0.20, 0.11)]  # a round in which all took longer
    windows += [window("without limits", CLOSED, cpu_s=cpu_s) for cpu_s in (0.08, 0.18, 0.10)]
    windows += [window(REFERENCE, CLOSED, cpu_s=0.02)]
    all_on, without, saved = compare(windows, ["without limits"])
    assert (all_on.gateway, all_on.reference, without.gateway) == (0.11, 0.02, 0.10)
    assert saved.gateway == pytest.approx(0.02)


def test_what_was_not_measured_has_no_figure() -> None:
    text = table(summarize([]))
    assert "met" not in text
    assert "MISSED" not in text


def test_a_missed_target_is_said() -> None:
    assert "MISSED" in table([Line("later start to ready, s", 2.5, None, 2, target=2.0)])


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingTool, match="apt-get install gcc"):
        find_tool("cc")
