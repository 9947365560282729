"""The import graph, drawn from the sources: which part may know which. Redraw the picture when you mean a new arrow."""

import ast
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src" / "waystation"

BASE = {"terms", "errors", "wire"}  # nouns that all may know
MAY_KNOW = {
    "terms": set(),
    "errors": set(),
    "wire": {"errors", "terms"},
    "tables": set(),
    # The price book, what a price may look like, and what may be said about where calls go.
    "settings": {"terms", "errors", "catalogue", "metering", "providers.model"},
    "gateway": set(),
    "auth": {"gateway"},
    "catalogue": {"gateway", "metering", "tables", "providers.model"},
    "policy": {"gateway"},
    "dialects": set(),
    "routing": {"gateway", "dialects"},
    "metering": set(),
    "ledger": {"gateway", "metering", "tables"},
    "accounts": {"gateway", "metering", "tables"},
    "idempotency": {"tables"},
    "fleet": {"catalogue", "metering", "providers.model", "tables"},  # rows beside what the file says of the same nouns
    "providers.model": set(),  # plain data: a provider as it is configured
    "providers": {"gateway", "dialects", "providers.model", "tables"},  # the last for kept answers
    "moderation": {"gateway", "metering", "dialects"},
    "engine": {"gateway", "metering", "dialects"},
    "http": {
        "gateway",
        "accounts",
        "catalogue",
        "fleet",
        "ledger",
        "metering",
        "providers.model",
        "storage",
    },  # all but the first for the control plane, http/v1/
    "storage": {"gateway", "dialects", "tables"},
    "jobs": {"gateway", "storage", "tables"},
    "runtime": {"tables"},
    "testing": set(),
}
JOINERS = {"app", "jobs_app", "upstreams", "inventory", "cli", "__main__", "__init__"}  # they put the parts together


def part_of(module: str) -> str:
    if module.startswith("waystation.providers.model"):
        return "providers.model"
    name = module.split(".")[1] if "." in module else "__init__"
    return "settings" if name.startswith("settings") else name


def arrows() -> set[tuple[str, str]]:
    found = set()
    for path in SOURCES.rglob("*.py"):
        part = part_of(".".join(path.relative_to(SOURCES.parent).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("waystation"):
                module = node.module or ""
                targets = [f"{module}.{alias.name}" for alias in node.names] if module == "waystation" else [module]
            elif isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names if alias.name.startswith("waystation.")]
            else:
                continue
            found |= {(part, part_of(target)) for target in targets}
    return {(a, b) for a, b in found if a != b and not b.startswith("__")}


def test_parts_know_only_what_they_may() -> None:
    unknown = {part for arrow in arrows() for part in arrow} - MAY_KNOW.keys() - JOINERS
    assert not unknown, f"new parts want a place in this picture: {unknown}"
    wrong = {(a, b) for a, b in arrows() if a not in JOINERS and b not in MAY_KNOW[a] | BASE}
    assert not wrong, f"arrows that were not meant: {sorted(wrong)}"


def test_only_the_joiners_touch_the_outside_world() -> None:
    assert {a for a, b in arrows() if b == "runtime"} <= {"app", "jobs_app", "cli", "upstreams"}
