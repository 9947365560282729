"""The whole ledger in a simulated world: a seed decides who calls, what fails and when workers die.

`python -m tests.sim SEED` replays one seed and prints what happened.
"""
