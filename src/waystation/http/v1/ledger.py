"""`/v1/waystation/ledger/verify`: proves that the books add up."""

from waystation.http.v1.control import Asked, Control, Resource
from waystation.wire.proof import LedgerVerification


async def verify(control: Control, asked: Asked) -> LedgerVerification:
    return await control.prover.run()


RESOURCES = (
    Resource(
        "POST",
        "/waystation/ledger/verify",
        verify,
        "verifyLedger",
        "Prove that the books add up, or name what doesn't.",
        LedgerVerification,
    ),
)
