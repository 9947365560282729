"""Print the table: what was taken out, which test noticed, and how."""

import sys
import tempfile
from pathlib import Path

from tests.mutation.mutations import MUTATIONS, copy_of_sources, row, run_tests, why

missed = 0
for mutation in MUTATIONS:
    with tempfile.TemporaryDirectory() as folder:
        told = run_tests(copy_of_sources(Path(folder), mutation), [mutation.test])
    missed += told.returncode != 1
    print(row(mutation, why(told) if told.returncode == 1 else "NOBODY NOTICED"), flush=True)
sys.exit(1 if missed else 0)
