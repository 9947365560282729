"""Takes the ledger's safeguards out one at a time: for each there is a test that must notice. `python -m tests.mutation`."""
