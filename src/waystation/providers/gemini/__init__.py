"""Google's Gemini API, asked in its own dialect (`dialects/gemini/`): `provider.py` asks, `refused.py` reads refusals.

Embeddings (`embeddings.py`) are no text and have no vocabulary: here they are written for OpenAI's callers at once."""
