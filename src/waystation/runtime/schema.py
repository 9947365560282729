"""Print the schema as SQL, to be read: `python -m waystation.runtime.schema > src/waystation/runtime/schema.sql`."""

import sys

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from waystation.tables import metadata

_HEAD = (
    "-- Printed from src/waystation/tables.py by `python -m waystation.runtime.schema`: to be read, not to be edited.\n"
)


def schema_sql() -> str:
    """Every table and index, as SQLite is told to make them."""
    dialect = sqlite.dialect()
    parts = [_HEAD]
    for table in metadata.tables.values():
        statement = str(CreateTable(table).compile(dialect=dialect)).strip()
        parts.append(statement.replace(" \n", "\n").replace(")\n WITHOUT", ") WITHOUT").replace("\t", "    ") + ";\n")
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        parts.extend(str(CreateIndex(index).compile(dialect=dialect)).strip() + ";\n" for index in indexes)
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(schema_sql())
