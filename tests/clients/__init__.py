"""Programs that people use with OpenAI's API, unchanged and in pinned versions, in front of the running product."""
