"""An MLflow database before MLflow touches it: made whole or not at all, and refused where MLflow would harm it.

MLflow adds its 65 tables to whatever database it is given, and migrates an older one without asking while other
processes may be writing; both are prevented here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from pruneexp.errors import UserError

_CONNECT_SECONDS = 5


def create_database(path: Path, build: Callable[[Path], object]) -> None:
    """Have ``build`` make the database beside ``path`` and rename it into place, so that none is ever half made."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with contextlib.ExitStack() as cleaning:
        for leftover in (temporary, Path(f"{temporary}-journal")):
            leftover.unlink(missing_ok=True)
            cleaning.callback(leftover.unlink, missing_ok=True)
        build(temporary)
        os.replace(temporary, path)


def check_database(uri: str, shown: str, *, busy_seconds: float = 20.0) -> None:
    """One connection, because MLflow itself retries for a minute and a half before it says what is wrong.

    ``busy_seconds`` is how long a SQLite file that somebody else is writing is waited for.

    Raises:
        UserError: the database holds something else than MLflow's tables, or those of another MLflow version.
        sqlalchemy.exc.SQLAlchemyError: it cannot be reached or written.
    """
    import sqlalchemy
    from alembic.migration import MigrationContext
    from sqlalchemy.pool import NullPool

    arguments = {"connect_timeout": _CONNECT_SECONDS} if uri.startswith(("postgresql", "mysql")) else {}
    engine = sqlalchemy.create_engine(uri, poolclass=NullPool, connect_args=arguments)
    with engine.connect() as connection:
        if uri.startswith("sqlite"):
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(1000 * busy_seconds)}")
            # A lock is given on a read-only file too: only a write, taken back at once, tells.
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.exec_driver_sql(f"PRAGMA user_version = {version}")
            connection.exec_driver_sql("ROLLBACK")
        tables = set(sqlalchemy.inspect(connection).get_table_names())
        found = MigrationContext.configure(connection).get_current_heads()
    if not tables:
        return
    if "experiments" not in tables:
        others = ", ".join(sorted(tables)[:3])
        raise UserError(f"The database {shown} is not MLflow's (it holds {others}): name another file or database.")
    expected = _schema_revisions()
    if expected and set(found) != set(expected):
        import mlflow

        raise UserError(
            f"The database {shown} has schema {', '.join(found) or 'unknown'} but MLflow {mlflow.__version__} needs "
            f"{', '.join(expected)}: stop its other users, back it up and run 'mlflow db upgrade {shown}', "
            f"or install the MLflow that wrote it."
        )


def _schema_revisions() -> tuple[str, ...]:
    """The schema the installed MLflow writes; nothing where its migrations are not where MLflow 3 keeps them."""
    import mlflow
    from alembic.script import ScriptDirectory

    migrations = Path(mlflow.__file__).parent / "store" / "db_migrations"
    return tuple(ScriptDirectory(str(migrations)).get_heads()) if migrations.is_dir() else ()
