"""An MLflow database before MLflow touches it: made whole or not at all, and refused where MLflow would harm it.

MLflow adds its 65 tables to any database that it is given, and migrates an older one without asking while other
processes may be writing; both are prevented here.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pruneexp.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Kinds that MLflow can keep its records in, as URIs name them.
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_CONNECT_SECONDS = 5


def is_database(uri: str) -> bool:
    """Whether it names a database, by any driver, and not a server of MLflow's."""
    return urlsplit(uri).scheme.partition("+")[0] in DATABASES


def create_database(path: Path, build: Callable[[Path], object]) -> None:
    """Have ``build`` make the database beside ``path`` and rename it into place, so that none is ever half made."""
    with tempfile.TemporaryDirectory(prefix=f"{path.name}.", suffix=".partial", dir=path.parent) as folder:
        build(Path(folder, path.name))
        os.replace(Path(folder, path.name), path)


def check_database(uri: str, shown: str, busy_seconds: float = 20.0) -> None:
    """One connection, because MLflow itself retries for a minute and a half before it says what is wrong.

    Raises:
        UserError: the database holds something else than MLflow's tables, or those of another MLflow version.
        sqlalchemy.exc.SQLAlchemyError: it cannot be reached or written.
    """
    with connected(uri, busy_seconds) as connection:
        if uri.startswith("sqlite"):
            # A lock is given on a read-only file too: only a write, taken back at once, tells.
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.exec_driver_sql(f"PRAGMA user_version = {version}")
            connection.exec_driver_sql("ROLLBACK")
        if tables(connection):
            check_schema(connection, shown)


def connected(uri: str, busy_seconds: float = 20.0) -> Connection:
    """A connection that is given up within seconds where nobody answers.

    ``busy_seconds`` is how long a SQLite file that somebody else is writing is waited for.
    """
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    arguments: dict[str, float] = {"timeout": busy_seconds} if uri.startswith("sqlite") else {}
    if uri.startswith(("postgresql", "mysql")):
        arguments = {"connect_timeout": _CONNECT_SECONDS}
    return sqlalchemy.create_engine(uri, poolclass=NullPool, connect_args=arguments).connect()


def tables(connection: Connection) -> set[str]:
    """The names of what the database holds."""
    import sqlalchemy

    return set(sqlalchemy.inspect(connection).get_table_names())


def check_schema(connection: Connection, shown: str) -> None:
    """Whether MLflow would leave the database as it is; only looks.

    Raises:
        UserError: it holds something else than MLflow's tables, or those of another MLflow version.
    """
    from alembic.migration import MigrationContext

    there = tables(connection)
    if "experiments" not in there:
        others = ", ".join(sorted(there)[:3]) or "nothing"
        raise UserError(f"The database {shown} is not MLflow's (it holds {others}): name another file or database.")
    found, expected = MigrationContext.configure(connection).get_current_heads(), _schema_revisions()
    if expected and set(found) != set(expected):
        import mlflow

        raise UserError(
            f"The database {shown} has schema {', '.join(found) or 'unknown'} but MLflow {mlflow.__version__} needs "
            f"{', '.join(expected)}: stop its other users, back it up and run 'mlflow db upgrade {shown}', "
            f"or install the MLflow that wrote it."
        )


@functools.cache  # a tenth of a second, and the command that makes pages opens every experiment
def _schema_revisions() -> tuple[str, ...]:
    """The schema the installed MLflow writes; nothing where its migrations are not where MLflow 3 keeps them."""
    import mlflow
    from alembic.script import ScriptDirectory

    migrations = Path(mlflow.__file__).parent / "store" / "db_migrations"
    return tuple(ScriptDirectory(str(migrations)).get_heads()) if migrations.is_dir() else ()
