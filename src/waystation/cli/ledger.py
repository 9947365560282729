"""`waystation ledger verify`: proves that the books add up, or names what doesn't."""

import typer

from waystation.cli.common import PROBLEM, ConfigOption, DataOption, JsonOption, books, print_json, settings_of
from waystation.cli.words import say


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help=say("Prove that the books are right.", "核对账本。"))
    group.command(
        "verify",
        help=say(
            "Check that postings, usage rows and roll-ups agree to the unit. Exit code 1 when they don't.",
            "核对分录、用量与汇总是否分毫不差；不一致时退出码为 1。",
        ),
    )(verify)

    @group.callback()
    def options() -> None:
        """One command in a group stays in its group."""

    app.add_typer(group, name="ledger")


def verify(as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None) -> int:
    # Imported here: with SQLAlchemy it is slower than all the rest of the command line.
    from waystation.ledger.verify import verify as problems_of

    with books(settings_of(config, data)) as accounts:
        problems = accounts.database.read_sync(problems_of)
    if as_json:
        found = [{"table": each.table, "row": each.row, "problem": each.message} for each in problems]
        print_json({"ok": not problems, "problems": found})
    else:
        for each in problems:
            print(f"{each.table} {each.row}: {each.message}")
        if not problems:
            print(say("The books add up.", "账目一致。"))
    return PROBLEM if problems else 0
