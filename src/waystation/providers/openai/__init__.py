"""Any server that speaks OpenAI's dialect: `provider.py` calls it, the other files decide what its answers mean."""
