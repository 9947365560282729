"""Amazon Bedrock's Converse API (`Converse`, `ConverseStream`): written from an Ask, read into Sayings.

Nobody asks us in it, so it has no reader of requests and no writer of answers. Documentation:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and API_runtime_ConverseStream.html, read in
November 2026; names, types and bounds as in botocore 1.44's model of bedrock-runtime.

**Prefill** (`Ask.said`): with Claude before 4.6 what was said goes out as the last message, the assistant's, and the answer goes
on right after it (`family.py:prefills`); later Claudes refuse that, and for other models nobody promises it. Its trailing white
space has to be taken off, so who reads the answer takes the leading one off that (`request.py:Written.strip`).
Source: https://platform.claude.com/docs, "Prefill Claude's response" and "What's new in Claude 4.6", November 2026.

**Reasoning** that Claude signed goes back unchanged with its signature; unsigned or foreign reasoning is left out.
"""
