"""Which signature of a thought is Gemini's: no provider takes another's."""

MARK = "gemini:"
"""Before a signature of Gemini's that travels as that of a Reasoning. Callers hand it back as it is."""

FOREIGN = "skip_thought_signature_validator"
"""Stands for the signature of a call that another model made.
Source: https://ai.google.dev/gemini-api/docs/thought-signatures, FAQ, November 2026."""


def marked(signature: str) -> str:
    return MARK + signature


def own(signature: str | None) -> str | None:
    """The signature as Gemini gave it; None where it is another provider's."""
    return signature[len(MARK) :] if signature is not None and signature.startswith(MARK) else None
