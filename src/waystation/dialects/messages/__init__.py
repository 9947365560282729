"""Anthropic's Messages API as a dialect.

`asked.py` reads a request, `body.py` writes one (with `turns.py` and `models.py`); `reader.py` reads an answer, `writer.py`
writes one. Source: https://platform.claude.com/docs/en/api/messages/create and …/build-with-claude/streaming (November 2026).
"""
