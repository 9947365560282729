"""The schema: printed, made and migrated alike, by however many starters."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from waystation.errors import ServiceUnavailable
from waystation.runtime import schema, upgrade
from waystation.runtime.db import Database
from waystation.tables import metadata


def made(path: Path) -> dict[str, list[str]]:
    """Every table and index as SQLite has it, without what differs in form only: blanks, the order of constraints."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {
        name: sorted(parts("".join(sql.split())))
        for name, sql in rows
        if name != "alembic_version" and not name.startswith("sqlite_")
    }


def parts(statement: str) -> list[str]:
    """What stands between the outer brackets, one by one, and what stands around them: a column that was added later comes
    after the constraints."""
    head, _, rest = statement.partition("(")
    inner, tail = rest.rpartition(")")[::2]
    found, depth = [""], 0
    for letter in inner:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [head, tail, *found]


def test_schema_sql_is_what_the_tables_say() -> None:
    printed = Path(schema.__file__).with_name("schema.sql").read_text(encoding="utf-8")
    assert printed == schema.schema_sql(), "print it again: python -m waystation.runtime.schema > src/…/schema.sql"


def test_schema_sql_the_tables_and_the_migrations_make_the_same_database(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "printed.db")) as connection:
        connection.executescript(schema.schema_sql())
    metadata.create_all(create_engine(f"sqlite:///{tmp_path / 'tables.db'}"))
    Database.open(f"sqlite:///{tmp_path / 'migrated.db'}").close()
    tables = made(tmp_path / "tables.db")
    assert tables
    assert made(tmp_path / "printed.db") == tables
    assert made(tmp_path / "migrated.db") == tables


def test_revisions_are_one_line_each_says_its_phase_and_the_last_is_the_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(upgrade.MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    revisions = list(scripts.walk_revisions())[::-1]
    assert [script.revision for script in revisions] == upgrade.revisions()
    assert scripts.get_heads() == [upgrade.revisions()[-1]]
    assert all(script.module.phase in ("pre", "post") for script in revisions)


def test_several_starters_make_one_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'w.db'}"
    with ThreadPoolExecutor(6) as threads:
        databases = list(threads.map(lambda _: Database.open(url), range(6)))
    for database in databases:
        versions = database.read_sync(lambda c: c.exec_driver_sql("SELECT version_num FROM alembic_version").fetchall())
        assert [version for (version,) in versions] == [upgrade.revisions()[-1]]
        database.close()


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'w.db'}"
    database = Database.open(url)
    database.write_sync(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999_future'") and None)
    database.close()
    with pytest.raises(ServiceUnavailable, match="newer Waystation"):
        Database.open(url)
