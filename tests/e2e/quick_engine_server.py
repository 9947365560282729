"""`waystation serve` for tests that kill the engine's child many times: it starts again at once, however often it died."""

import sys

from waystation.cli.main import run
from waystation.engine import children


def main() -> None:
    children.restart_delay_s = lambda failures: 0.0
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
