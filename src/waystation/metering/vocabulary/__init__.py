"""The byte pairs of OpenAI's o200k_base and cl100k_base, as package data: MIT, from OpenAI's tiktoken.

Each file is the tokens in order of their rank, a length byte before each. `metering/encodings.py` reads them.
"""
