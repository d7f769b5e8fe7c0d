"""Run by Alembic for every command: uses the connection, and its transaction, that ``schema.py`` hands over."""

from __future__ import annotations

from alembic import context

from newsletter.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter a column in place
)
context.run_migrations()
