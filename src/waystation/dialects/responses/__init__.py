"""OpenAI's Responses API as callers speak it, and as upstreams do."""
