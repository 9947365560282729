"""Google's Gemini API (`generateContent`, `streamGenerateContent`): written from an Ask, read into Sayings.

Nobody asks us in it, so it has no reader of requests and no writer of answers. Documentation: https://ai.google.dev/api
(generate-content, caching) and https://ai.google.dev/gemini-api/docs (thinking, thought-signatures, function-calling,
structured-output, file-input-methods), read in November 2026; names and types as in google-genai 3.6.

**Prefill** (`Ask.said`): none. The API takes contents that end with the model's turn, but nowhere says that the answer
goes on right after it; a provider that is asked to go on refuses, and routing asks another.

**Thought signatures.** A signature on a call of a tool travels as that call's (`ToolUse.signature`), unchanged. One on a text
travels as a Reasoning's, marked with `signatures.MARK`, since other providers sign too and none takes another's. Gemini 3 wants
one on the first call of every step; where a turn was made by another model it gets the word that the documentation
gives for that.
"""
