"""The bench: what a call through the gateway costs, beside nginx in the same run. See README.md here."""
