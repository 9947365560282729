"""The outside world: database, clock, upstream connections.

Only `app.py` and the commands import it; all others are given what they use.
"""
