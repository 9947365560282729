"""`waystation usage`: what was used and what it cost, from the books and the journals, server or no server."""

import csv
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waystation.cli.common import (
    USAGE,
    CommandError,
    ConfigOption,
    DataOption,
    JsonOption,
    books,
    print_json,
    settings_of,
)
from waystation.cli.periods import (
    FROM_HELP,
    UNTIL_HELP,
    OrganizationOption,
    moment,
    month_around,
    organization_of,
    shown,
)
from waystation.cli.words import say
from waystation.settings_reader import nearest

if TYPE_CHECKING:
    from waystation.ledger.reading.model import UsageReport

NUMBERS = ("requests", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")


def add_to(app: typer.Typer) -> None:
    app.command(
        "usage",
        help=say(
            "What was used and what it cost. Without options: this month, by model.",
            "用量与费用。不带选项时为本月按模型汇总。",
        ),
    )(usage)


def usage(
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help=FROM_HELP)] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help=UNTIL_HELP)] = None,
    by: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help=say(
                "With commas: project, key, model, operation, deployment, end_user, tier; and one of minute, quarter, "
                "hour, day, week, month.",
                "逗号分隔：project、key、model、operation、deployment、end_user、tier，以及 "
                "minute、quarter、hour、day、week、month 之一。",
            ),
        ),
    ] = "model",
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help=say("Only these: model=gpt-4o. May be repeated.", "仅统计：model=gpt-4o，可重复。"),
        ),
    ] = None,
    organization: OrganizationOption = None,
    as_csv: Annotated[bool, typer.Option("--csv", help=say("Print CSV.", "以 CSV 输出。"))] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    # Imported here: with SQLAlchemy it is slower than all the rest of the command line.
    from waystation.ledger.reading.usage import usage as usage_of

    if as_csv and as_json:
        raise CommandError(say("Either --csv or --json.", "--csv 与 --json 只能选一个。"), USAGE)
    names, bucket = _by(by)
    filters = _filters(only or [])
    settings = settings_of(config, data)
    with books(settings) as accounts:
        whose = organization_of(accounts, organization)
        now = int(time.time())
        first, after = month_around(now, whose.time_zone)
        from_at = first if from_ is None else moment(from_, whose.time_zone, "--from")
        until_at = max(after, from_at + 1) if until is None else moment(until, whose.time_zone, "--until")
        report = accounts.database.read_sync(
            lambda c: usage_of(
                c,
                settings.data / "journal",
                whose.id,
                from_at=from_at,
                until_at=until_at,
                bucket=bucket,
                by=names,
                filters=filters,
            )
        )
    if as_json:
        print_json(_plain(report))
    elif as_csv:
        _print_csv(report)
    else:
        _print_table(report)


def _by(text: str) -> tuple[list[str], str | None]:
    from waystation.ledger.reading.model import BUCKETS

    names = [name.strip() for name in text.split(",") if name.strip()]
    spans = [name for name in names if name in BUCKETS]
    if len(spans) > 1:
        raise CommandError(
            say(
                f"--by has one span of time, not {' and '.join(spans)}.",
                f"--by 只能有一个时间粒度，而不是 {'、'.join(spans)}。",
            ),
            USAGE,
        )
    dimensions = [name for name in names if name not in BUCKETS]
    _check_known("--by", dimensions)
    return dimensions, spans[0] if spans else None


def _filters(pairs: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise CommandError(say(f"--only {pair!r} must be NAME=VALUE.", f"--only {pair!r} 应为 名称=值。"), USAGE)
        found.setdefault(name.strip(), []).append(value)
    _check_known("--only", found)
    return found


def _check_known(option: str, names: Iterable[str]) -> None:
    from waystation.ledger.reading.model import BUCKETS, DIMENSIONS

    for name in names:
        if name not in DIMENSIONS:
            near = nearest(name, [*DIMENSIONS, *BUCKETS])
            known = ", ".join(DIMENSIONS)
            raise CommandError(
                say(
                    f"{option} {name!r} is unknown{near}. There are {known}.",
                    f"{option} {name!r} 未知{near}。可用：{known}。",
                ),
                USAGE,
            )


# -- printing


def _columns(report: "UsageReport") -> list[str]:
    return [*(["from", "until"] if report.bucket else []), *report.by, *NUMBERS, "cost", "saved", "currency"]


def _cells(report: "UsageReport") -> list[list[Any]]:
    from waystation.ledger.reading.amounts import decimal_of

    zone = report.time_zone
    return [
        [
            *([shown(row.from_at, zone), shown(row.until_at, zone)] if report.bucket else []),
            *(getattr(row, name) for name in report.by),
            *(getattr(row, name) for name in NUMBERS),
            decimal_of(row.cost_nano),
            None if row.saved_nano is None else decimal_of(row.saved_nano),
            row.currency,
        ]
        for row in report.rows
    ]


def _plain(report: "UsageReport") -> dict[str, Any]:
    import msgspec

    from waystation.ledger.reading.amounts import decimal_of

    plain: dict[str, Any] = msgspec.to_builtins(report)
    for row, told in zip(report.rows, plain["rows"], strict=True):
        told["cost"] = decimal_of(row.cost_nano)
        told["saved"] = None if row.saved_nano is None else decimal_of(row.saved_nano)
    return plain


def _print_csv(report: "UsageReport") -> None:
    from waystation.ledger.invoices.model import cell

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_columns(report))
    own = 2 if report.bucket else 0  # what comes before the names that people chose
    for cells in _cells(report):
        names = [cell(name) if name else "" for name in cells[own : own + len(report.by)]]
        rest = ["" if value is None else value for value in cells[own + len(report.by) :]]
        writer.writerow([*cells[:own], *names, *rest])


def _print_table(report: "UsageReport") -> None:
    if not report.rows:
        zone = report.time_zone
        span = f"{shown(report.from_at, zone)} – {shown(report.until_at, zone)}"
        print(say(f"Nothing was used: {span}.", f"没有用量：{span}。"))
        return
    rows = [_columns(report), *([["-" if cell is None else str(cell) for cell in cells] for cells in _cells(report)])]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    names = len(rows[0]) - len(NUMBERS) - 3
    for row in rows:
        aligned = [
            cell.rjust(width) if names <= place < len(row) - 1 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(aligned).rstrip())
