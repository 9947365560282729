"""`waystation settings`: every setting with its type, unit, default and sentence, printed from the declarations."""

import dataclasses
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import typer

from waystation.catalogue.routing_model import DeploymentConfig, RouteConfig
from waystation.cli.common import JsonOption, print_json
from waystation.cli.words import say
from waystation.settings import (
    CredentialSettings,
    EngineSettings,
    JobsSettings,
    ModelSettings,
    ModerationSettings,
    MoneySettings,
    ProviderSettings,
    ServerSettings,
    StorageSettings,
)
from waystation.settings_reader import types_of, variable_of
from waystation.terms import Secret

INTRODUCTION = """\
# Configuration

<!-- Printed by `waystation settings`; don't edit. -->

Waystation runs without any configuration. What you want otherwise goes into one TOML file: `waystation.toml` in the
data folder, or the one that `--config FILE` or `WAYSTATION_CONFIG` names. Options of a command win over environment
variables, which win over the file, which wins over the defaults.

- Every setting has a variable; `NAME_FILE` reads its value from a file, which is the way for secrets.
- A misspelt key stops the start and names the nearest one; a misspelt variable is reported.
- `waystation check` reads the configuration and says what is wrong with it, without starting anything.

```toml
[server]
port = 8080

[providers.deepseek]
base_url = "https://api.deepseek.com/v1"
api_key_env = "DEEPSEEK_API_KEY"

[models."deepseek-chat"]
provider = "deepseek"
# What a million tokens cost, in quotes so that it stays exact.
price = { currency = "USD", input = "0.27", output = "1.10", cached_input = "0.07" }

[models.mine]
path = "/models/mine.gguf"
price = 0
```

Several places for one model, names that stand for others, and what happens when nobody answers: [routing](routing.md).

A model needs a price, since an unknown price is never free: a table as above (`currency` is `"USD"` or `"CNY"`), `0`,
or `"unmetered"`, which keeps no account of it. Without `price`, a provider's model has the price that the price book
knows, if it does; `price = { currency = "CNY" }` picks it where a provider bills in two. `waystation check` shows each
with its source and date. What else a price may name: [prices](prices.md).

As soon as one provider is configured, the names `gpt-4o`, `gpt-4o-mini` … stop meaning the local models, and the default
model is no longer pulled by itself; local models whose files are there stay available under their own names.

## Places

| key | variable | default | meaning |
| --- | --- | --- | --- |
| | `WAYSTATION_DATA` | `~/.local/share/waystation` | Data folder: database, secret key, journals. Option `--data`. |
| | `WAYSTATION_CONFIG` | `waystation.toml` in the data folder | This file. Option `--config`. |
| `models_folder` | `WAYSTATION_MODELS` | `~/.cache/waystation/models` | Pulled models, shared by all data folders. |
| `database_url` | `WAYSTATION_DATABASE_URL` | SQLite in the data folder | Database, as an SQLAlchemy URL. |
"""

TOPICS: tuple[tuple[str, type], ...] = (
    ("server", ServerSettings),
    ("engine", EngineSettings),
    ("money", MoneySettings),
    ("storage", StorageSettings),
    ("jobs", JobsSettings),
    ("moderation", ModerationSettings),
    ("providers.NAME", ProviderSettings),
    ("[providers.NAME.credentials]", CredentialSettings),
    ('models."NAME"', ModelSettings),
)

TABLES: tuple[tuple[str, type[msgspec.Struct]], ...] = (  # only the file can say them
    ('deployments."NAME"', DeploymentConfig),
    ('routes."NAME"', RouteConfig),
)

SEPARATELY = {"name": "", "price": 'What a million tokens cost: a table, 0 or "unmetered" (see above). Required.'}


def add_to(app: typer.Typer) -> None:
    app.command("settings", help=say("Print every setting.", "列出全部配置项。"))(settings)


def settings(as_json: JsonOption = False) -> None:
    if as_json:
        print_json([row for prefix, _, each in all_rows() for row in each])
    else:
        print(page(), end="")


def page() -> str:
    """The docs page, `docs/guides/configuration.md`."""
    return INTRODUCTION + "".join(_section(prefix, sentence, each) for prefix, sentence, each in all_rows())


def all_rows() -> Iterator[tuple[str, str, list[dict[str, str]]]]:
    """Each topic: its place in the file, what it is, and its settings in words."""
    for prefix, topic in TOPICS:
        yield prefix, (topic.__doc__ or "").strip(), list(rows(prefix, topic))
    for prefix, table in TABLES:
        yield prefix, (table.__doc__ or "").strip(), list(table_rows(prefix, table))


def _section(prefix: str, sentence: str, rows: list[dict[str, str]]) -> str:
    lines = [
        f"\n## [{prefix}]\n",
        f"{sentence}\n",
        "| key | variable | type | default | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        variable = f"`{row['variable']}`" if row["variable"] else ""
        lines.append(f"| `{row['key']}` | {variable} | {row['type']} | {row['default']} | {row['meaning']} |")
    return "\n".join(lines) + "\n"


def rows(prefix: str, topic: type) -> Iterator[dict[str, str]]:
    """A topic's settings in words."""
    hints = types_of(topic)
    for field in dataclasses.fields(topic):
        sentence = field.metadata.get("sentence") or SEPARATELY.get(field.name, "")
        if not sentence:
            continue
        yield {
            "topic": prefix,
            "key": field.name,
            "variable": _variable(prefix, field.name, hints[field.name]),
            "type": "price" if field.name == "price" else _type_name(hints[field.name], field.metadata),
            "default": _default(field),
            "meaning": sentence,
        }


def table_rows(prefix: str, table: type[msgspec.Struct]) -> Iterator[dict[str, str]]:
    """The same of a table that is read as it is."""
    hints = get_type_hints(table, include_extras=True)
    for field in msgspec.structs.fields(table):
        described = get_args(hints[field.name])[1:]
        if described and isinstance(described[0], msgspec.Meta):
            yield {
                "topic": prefix,
                "key": field.name,
                "variable": "",
                "type": _table_type(field.name, hints[field.name]),
                "default": "required" if field.required else _shown(field.default),
                "meaning": described[0].description or "",
            }


def _table_type(name: str, hint: Any) -> str:
    if name.endswith("_at"):
        return "date"
    (inner, *_) = [each for each in _parts(get_args(hint)[0]) if each is not type(None)]
    if get_origin(inner) is tuple:
        return "list of texts" if get_args(inner)[0] is str else "list of tables"
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
        return "table"
    return _type_name(inner, {})


def _parts(hint: Any) -> tuple[Any, ...]:
    """The types that a union joins; of another type itself."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _variable(prefix: str, name: str, hint: Any) -> str:
    if prefix.startswith(("models", "[")) or get_origin(hint) is dict:
        return ""  # a table: only the file can say it
    return variable_of(prefix.replace("NAME", "name"), name).replace("_NAME_", "_*NAME*_".replace("*", ""))


def _type_name(hint: Any, metadata: Any) -> str:
    if get_origin(hint) is dict:
        return "table of texts"
    if get_origin(hint) is tuple:
        return "list of texts"
    names = {bool: "true or false", int: "whole number", float: "number", str: "text", Secret: "secret text"}
    name = names.get(hint) or (" or ".join(f'"{choice}"' for choice in get_args(hint)) if get_args(hint) else "path")
    least, most, unit = metadata.get("least"), metadata.get("most"), metadata.get("unit")
    bounds = f" {least} to {most}" if most is not None else f" from {least}" if least is not None else ""
    return name + bounds + (f", {unit}" if unit else "")


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default is dataclasses.MISSING:
        return "none" if field.default_factory is not dataclasses.MISSING else "required"
    return _shown(field.default)


def _shown(default: Any) -> str:
    if default is None or default in ("", ()):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
