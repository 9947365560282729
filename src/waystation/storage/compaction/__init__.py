"""Conversations made short: what is summarised, how, and the sealed item that stands for it from then on."""
