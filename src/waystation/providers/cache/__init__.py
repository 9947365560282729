"""The response cache: answers to the same request of the same project, kept for a while. A provider that asks nobody."""
