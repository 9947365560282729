"""Amazon Bedrock, asked by its Converse API (`dialects/converse/`).

`provider.py` asks, `sigv4.py` signs, `credentials.py` reads what we are known by, `refused.py` reads refusals.
"""
