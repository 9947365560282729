"""Google's Gemini API, asked in its own dialect (`dialects/gemini/`): `provider.py` asks, `refused.py` reads refusals."""
