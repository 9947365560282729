"""All resources of the control plane. A new one is a file beside this one, a line here and lines in `http/access.py`."""

from waystation.http.v1 import (
    budgets,
    credit,
    invoices,
    keys,
    ledger,
    limits,
    openai_usage,
    organizations,
    prices,
    projects,
    reratings,
    usage,
)
from waystation.http.v1.control import Resource

RESOURCES: tuple[Resource, ...] = (
    *projects.RESOURCES,
    *keys.RESOURCES,
    *organizations.RESOURCES,
    *budgets.RESOURCES,
    *credit.RESOURCES,
    *limits.RESOURCES,
    *prices.RESOURCES,
    *usage.RESOURCES,
    *openai_usage.RESOURCES,
    *invoices.RESOURCES,
    *reratings.RESOURCES,
    *ledger.RESOURCES,
)
