"""The command line: imports the one command that was asked for, runs it, turns mistakes into sentences and codes."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import typer
from typer.exceptions import TyperException

from waystation import __version__
from waystation.cli.common import PROBLEM, USAGE, CommandError, complain
from waystation.cli.words import is_chinese, say
from waystation.errors import ApiError
from waystation.settings_reader import SettingsError

# Each module has `add_to(app)`. The order is that of the help.
COMMANDS = (
    "serve",
    "init",
    "check",
    "doctor",
    "keys",
    "projects",
    "files",
    "organizations",
    "budgets",
    "credit",
    "limits",
    "usage",
    "invoices",
    "models",
    "providers",
    "credentials",
    "deployments",
    "routes",
    "drills",
    "notices",
    "prices",
    "tokens",
    "cost",
    "chat",
    "settings",
    "ledger",
)

INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """Run a command line; the exit code. 0 done, 1 it did not work, 2 asked wrongly or unusable settings."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal in GBK has no check mark
    asked = next((word for word in arguments if not word.startswith("-")), None)
    try:
        code = _build([asked] if asked in COMMANDS else COMMANDS)(
            list(arguments), prog_name="waystation", standalone_mode=False
        )
        sys.stdout.flush()
    except SettingsError as error:
        for problem in error.in_chinese if is_chinese(os.environ) else error.problems:
            complain(problem)
        return USAGE
    except CommandError as error:
        complain(str(error))
        return error.code
    except ApiError as error:
        complain(f"{error.message} ({error.detail})" if error.detail else error.message)
        return PROBLEM
    except TyperException as error:
        complain(error.format_message() if str(error) else say("Try --help.", "请试 --help。"))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Who read our output left (`waystation keys list | head -1`): nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PROBLEM
    return code if isinstance(code, int) else 0


def _build(commands: Sequence[str | None]) -> typer.Typer:
    app = typer.Typer(
        name="waystation",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=say(
            "The OpenAI API platform that a team runs itself.",
            "团队自己运行的 OpenAI API 平台。",
        ),
    )

    @app.callback()
    def options(
        version: bool = typer.Option(False, "--version", "-V", help=say("Print the version.", "显示版本。")),
    ) -> None:
        if version:
            print(f"waystation {__version__}")
            raise typer.Exit(0)

    for command in commands:
        import_module(f"waystation.cli.{command}").add_to(app)
    return app
