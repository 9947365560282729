"""Bring a database to the newest schema. The revisions themselves are in `migrations/versions/`."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from waystation.errors import ServiceUnavailable

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x77617973  # PostgreSQL's advisory lock of ours: "ways"


def revisions() -> list[str]:
    """All revisions, oldest first. Files are named by them: asking alembic would add 0.4 s to every start."""
    return sorted(file.stem for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def current(connection: Connection) -> str | None:
    """The revision of a database; None of an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def bring_to_head(writer: Engine, reader: Engine) -> None:
    """Upgrade if need be, in one transaction that holds the write lock, so that of several starters one does it.

    Raises ServiceUnavailable when a newer Waystation has been here.
    """
    known = revisions()
    with reader.begin() as connection:  # nearly every start ends here, without waiting for whoever writes
        if current(connection) == known[-1]:
            return
    with writer.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        revision = current(connection)
        if revision == known[-1]:
            return
        if revision is not None and revision not in known:
            raise ServiceUnavailable(
                f"The database was made by a newer Waystation (schema {revision}). "
                "Start that version, or restore a backup."
            )
        run_alembic(connection, known[-1])


def run_alembic(connection: Connection, revision: str) -> None:
    """Run the revisions up to `revision` within the connection's transaction."""
    # Imported here because it costs 0.4 s, and only a first start and an upgrade need it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
