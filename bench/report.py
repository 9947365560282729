"""Turns the windows of a run into its table: medians over the rounds, and the gateway beside nginx. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.measure import Window

GATEWAY, REFERENCE, DIRECT = "waystation", "nginx", "direct"
CLOSED, OPEN, STREAM = "closed", "open", "stream"
_CPU = "CPU-s per 1000 calls"


@dataclass(frozen=True)
class Line:
    """A line of the table. `target` is the most that the gateway should show."""

    what: str
    gateway: float | None
    reference: float | None
    digits: int
    target: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.gateway / self.reference if self.gateway is not None and self.reference else None

    @property
    def met(self) -> bool | None:
        return None if self.target is None or self.gateway is None else self.gateway <= self.target


def summarize(windows: Sequence[Window], extra: Sequence[Line] = ()) -> list[Line]:
    """The lines of the table. Windows are in the order of the run: the n-th of each server and kind make round n."""
    lines = [
        _line(f"{_CPU}, saturated", windows, CLOSED, lambda w, _: per_1000_calls(w), 4, 0.05),
        _line("CPU-s per 1000 calls at a fixed rate", windows, OPEN, lambda w, _: per_1000_calls(w), 4),
        _line("CPU-s per 1000 stream chunks", windows, STREAM, lambda w, _: per_1000_chunks(w), 4, 0.035),
        _line("calls/s, saturated", windows, CLOSED, lambda w, _: float(w.load["calls_per_s"]), 0),
        _line("share of its core used, saturated", windows, CLOSED, lambda w, _: w.busy, 2),
    ]
    for mark, name, target in (("p50", "p50", 0.4), ("p99", "p99", 1.5), ("p999", "p99.9", None)):
        lines.append(
            _line(f"added latency at a fixed rate, {name}, ms", windows, OPEN, _added("latency_us", mark), 3, target)
        )
    lines.append(_line("added to the first token, p50, ms", windows, STREAM, _added("first_token_us", "p50"), 3, 0.5))
    return [*lines, *extra]


def compare(windows: Sequence[Window], variants: Sequence[str]) -> list[Line]:
    """What a call costs each caller of the same server, and what each part adds, compared within each round."""
    all_on = [per_1000_calls(window) for window in windows if window.server == GATEWAY]
    reference = [per_1000_calls(window) for window in windows if window.server == REFERENCE]
    lines = [Line(f"{_CPU}, everything on", median(all_on), median(reference), 4, 0.05)]
    for name in variants:
        without = [per_1000_calls(window) for window in windows if window.server == name]
        saved = median(more - less for more, less in zip(all_on, without, strict=True))
        lines.append(Line(f"{_CPU}, {name}", median(without), None, 4))
        lines.append(Line("  less than everything by", saved, None, 4))
    return lines


def per_1000_calls(window: Window) -> float:
    return window.cpu_s / float(window.load["ok"]) * 1000


def per_1000_chunks(window: Window) -> float:
    """What a stream costs in all, shared among the chunks that its client got: its call is in it."""
    return window.cpu_s / float(window.load["chunks"]) * 1000


def table(lines: Sequence[Line]) -> str:
    rows = [("", GATEWAY, REFERENCE, "ratio", "target", "")]
    rows += [
        (
            line.what,
            _number(line.gateway, line.digits),
            _number(line.reference, line.digits),
            _number(line.ratio, 2),
            "" if line.target is None else f"≤ {line.target:g}",
            {None: "", True: "met", False: "MISSED"}[line.met],
        )
        for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _line(
    what: str,
    windows: Sequence[Window],
    kind: str,
    figure: Callable[[Window, Window | None], float | None],
    digits: int,
    target: float | None = None,
) -> Line:
    return Line(
        what,
        _over_rounds(windows, GATEWAY, kind, figure),
        _over_rounds(windows, REFERENCE, kind, figure),
        digits,
        target,
    )


def _over_rounds(
    windows: Sequence[Window], server: str, kind: str, figure: Callable[[Window, Window | None], float | None]
) -> float | None:
    """The median over the rounds of a figure that may compare a window with the direct one of the same round."""
    ours = [window for window in windows if (window.server, window.kind) == (server, kind)]
    direct: list[Window | None] = [window for window in windows if (window.server, window.kind) == (DIRECT, kind)]
    direct += [None] * (len(ours) - len(direct))
    figures = [figure(window, beside) for window, beside in zip(ours, direct, strict=False)]
    known = [value for value in figures if value is not None]
    return median(known) if known else None


def _added(what: str, mark: str) -> Callable[[Window, Window | None], float | None]:
    def added(window: Window, direct: Window | None) -> float | None:
        if direct is None:
            return None
        return float(window.load[what][mark] - direct.load[what][mark]) / 1000

    return added


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
