"""Where the answers are kept: an embedded MLflow database by default, a team's server if one is named."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sslbench.durable import settle
from sslbench.errors import SetupError
from sslbench.tracking.client import quiet_mlflow

_log = logging.getLogger(__name__)
SQLITE = "sqlite:///"
# what SQLite says of a file that is not as MLflow makes it; anything else is said of its disk, rights or other writers
_DAMAGE = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CONSTRAINT,
}


def store_uri(home: Path, override: str | None = None) -> str:
    """Return the tracking URI: `override`, else MLFLOW_TRACKING_URI, else the database in `home`; never relative."""
    named = override or os.environ.get("MLFLOW_TRACKING_URI")
    return named or f"{SQLITE}{home.resolve() / 'mlflow.db'}"


def artifact_root(uri: str, home: Path) -> str | None:
    """Return where artefacts lie, or None if the server at `uri` decides that itself."""
    return None if uri.startswith("http") else str(home.resolve() / "artifacts")


def ensure_store(uri: str, home: Path) -> None:
    """Create the database, bring an older one up to date, and set a broken one aside; servers look after themselves.

    The database is made under another name and moved into place, so a kill at any moment leaves either none or a
    whole one. One that somebody else's kill left half made is kept under another name; nothing is deleted.

    Raises
    ------
    SetupError
        S030 if the database was written by a newer MLflow, S035 if the machine does not let it be read or written.
    """
    if not uri.startswith(SQLITE):
        return
    database = Path(uri.removeprefix(SQLITE)).absolute()
    database.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _locked(database):
            _remove_leftovers(database)
            if database.exists() and not _is_current(database):
                _upgrade_or_set_aside(database)
            if not database.exists():
                _create(database, artifacts=home.resolve() / "artifacts")
    except sqlite3.Error as error:
        raise SetupError(
            f"the MLflow database cannot be used: {error}",
            code="S035",
            where=str(database),
            fix="see to its rights and its disk, or end who writes to it; then: sslbench sync",
            state="the database was left as it is",
        ) from error


def count_rows(uri: str) -> None:
    """Let SQLite note how its rows are distributed; servers look after themselves.

    Without it, it answers what the UI's first page asks for by going through all runs: ten times slower at 10,000.
    While somebody else writes, it is left to the next sweep: what was shown is shown.
    """
    if not uri.startswith(SQLITE):
        return
    with contextlib.closing(sqlite3.connect(uri.removeprefix(SQLITE), timeout=1)) as database:
        try:
            database.execute("analyze")
            database.commit()
        except sqlite3.OperationalError as error:
            _log.info("SQLite did not count its rows: %s", error)


@contextlib.contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Hold the store's lock; the kernel releases it when its holder dies."""
    with database.with_name(f".{database.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _remove_leftovers(database: Path) -> None:
    for file in database.parent.glob(f".{database.name}.new*"):
        file.unlink()


def _unfinished(database: Path) -> Path:
    return database.with_name(f".{database.name}.new")


def _create(database: Path, *, artifacts: Path) -> None:
    quiet_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    unfinished = _unfinished(database)
    store = SqlAlchemyStore(f"{SQLITE}{unfinished}", str(artifacts))
    store.engine.dispose()
    # MLflow keeps an engine per URI for ever; the next new database under this name needs its own
    SqlAlchemyStore._engine_map.pop(f"{SQLITE}{unfinished}", None)
    _put_in_place(unfinished, database)


def _put_in_place(unfinished: Path, database: Path) -> None:
    settle(unfinished)
    os.replace(unfinished, database)
    settle(database.parent)


def _is_current(database: Path) -> bool:
    return _revision(database) == _newest_revision() and _has_all_tables(database)


def _revision(database: Path) -> str | None:
    """Return the schema revision that the database says it has, or None if it says none."""
    found = _query(database, "select version_num from alembic_version")
    return str(found[0][0]) if found else None


def _has_all_tables(database: Path) -> bool:
    quiet_mlflow()
    import mlflow.store.db.utils  # noqa: F401  registers every table with Base
    from mlflow.store.db.base_sql_model import Base

    found = _query(database, "select name from sqlite_master where type = 'table'")
    return set(Base.metadata.tables) <= {str(row[0]) for row in found}


def _query(database: Path, statement: str) -> list[tuple[object, ...]]:
    """Return the rows, none if the table is not there or the file is no whole database; raise if it cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=20)) as connection:
            return connection.execute(statement).fetchall()
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
        return []


def _is_damage(error: BaseException | None) -> bool:
    # Python's own complaints, of text that is no UTF-8, have no code
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _DAMAGE


def _newest_revision() -> str:
    return _revisions()[0]


def _revisions() -> list[str]:
    """Return the schema revisions that this MLflow knows, newest first."""
    quiet_mlflow()
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    script = ScriptDirectory.from_config(_get_alembic_config(""))
    return [revision.revision for revision in script.walk_revisions()]


def _upgrade_or_set_aside(database: Path) -> None:
    revision = _revision(database)
    if revision is not None and revision not in _revisions():
        raise SetupError(
            "the MLflow database was written by a newer MLflow than the one installed",
            code="S030",
            where=str(database),
            found=f"schema revision {revision}",
            fix="upgrade mlflow, or move the database away: `sslbench sync` writes it anew",
        )
    if revision is None or not _upgrade(database):
        _set_aside(database)


def _upgrade(database: Path) -> bool:
    """Upgrade a copy and put it in place; say whether that worked."""
    from alembic.util import CommandError
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    unfinished = _unfinished(database)
    _copy(database, unfinished)
    engine = create_sqlalchemy_engine(f"{SQLITE}{unfinished}")
    try:
        _upgrade_db(engine)
    except (SQLAlchemyError, CommandError) as error:
        if isinstance(error, DBAPIError) and error.orig and not _is_damage(error.orig):
            raise error.orig from error
        _log.warning("the MLflow database %s cannot be upgraded: %s", database, error)
        return False
    finally:
        engine.dispose()
    if not _is_current(unfinished):
        return False
    _put_in_place(unfinished, database)
    return True


def _copy(database: Path, to: Path) -> None:
    source, target = sqlite3.connect(database, timeout=20), sqlite3.connect(to)
    with contextlib.closing(source), contextlib.closing(target):
        source.backup(target)


def _set_aside(database: Path) -> None:
    n = 1
    while (kept := database.with_name(f"{database.name}.broken-{n}")).exists():
        n += 1
    os.replace(database, kept)
    for suffix in ("-journal", "-wal", "-shm"):
        beside = database.with_name(database.name + suffix)
        if beside.exists():
            os.replace(beside, kept.with_name(kept.name + suffix))
    _remove_leftovers(database)
    _log.warning("the MLflow database was half made; kept as %s, a new one follows", kept)
