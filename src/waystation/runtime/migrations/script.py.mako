"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = "${up_revision}"
down_revision = ${repr(down_revision)}
phase = "pre"  # "pre": runs while the old code still serves; "post": once it has gone


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
