"""Servers that speak Anthropic's dialect: `provider.py` calls them, the other files decide what is sent and what answers mean."""
