"""Shapes on the wire as plain data: OpenAI's requests, server-sent events, the nouns of a call to a server."""
