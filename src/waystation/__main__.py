"""`python -m waystation` and the `waystation` command: answers `--version` at once, hands all else to `cli/`."""

import sys

from waystation import __version__


def main() -> None:
    """The console script."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        # Before anything is imported: scripts ask this often, and typer alone takes longer than the whole answer.
        print(f"waystation {__version__}")
        return
    from waystation.cli.main import run  # here, so that --version does not pay for it

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
