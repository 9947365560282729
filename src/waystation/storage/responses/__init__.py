"""Responses that are kept: their rows, the chain of turns that they make, and what the Responses API does with them."""
