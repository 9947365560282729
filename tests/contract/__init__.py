"""The contract: official SDKs, unchanged, against the running product; and OpenAI's description of every body."""
