"""OpenAI's Responses API as a dialect in which callers ask: what they ask, and answers written as responses and their events."""
