"""Error messages for data that is missing, damaged or cannot be fetched. Knows no format and no family."""

from __future__ import annotations

import http.client
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pruneexp.errors import UserError

#: Exceptions of torchvision for a failed download: mirrors exhausted, sockets, disks, broken archives.
_FETCHING = (RuntimeError, OSError, EOFError, http.client.HTTPException, tarfile.TarError, zlib.error)


def command(choice: str, root: Path) -> str:
    """Return the command that fetches the data set ``choice`` into ``root``."""
    where = str(root)
    return f"python -m pruneexp data={choice} data.download=true data.root=" + (f"'{where}'" if " " in where else where)


def missing(title: str, choice: str, sought: str, folders: Sequence[Path], root: Path) -> UserError:
    """An error: ``sought`` is in none of ``folders``, and this command fetches it."""
    looked_in = " or ".join(map(str, folders))
    return UserError(f"{title} is not there: {sought} not found in {looked_in}; fetch it with: {command(choice, root)}")


@contextmanager
def fetching(title: str, root: Path) -> Iterator[None]:
    """Turn an exception of a download into ``root`` into a ``UserError`` of one sentence."""
    try:
        yield
    except _FETCHING as error:
        raise UserError(f"{title} could not be fetched into {root}: {sentence(error)}") from error


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Turn an exception from reading ``path`` into a ``UserError``, which ends with ``remedy`` if the content is bad.

    On a damaged file, readers of images and arrays raise exceptions of any class: SyntaxError, struct.error,
    zlib.error, IndexError, OverflowError, and classes of their own.
    """
    try:
        yield
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(f"{path} cannot be read: there is too little memory") from error
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:  # the disk's own words, not a reader's
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
        raise UserError(f"{path} is damaged or of another format ({sentence(error)}); {remedy}") from error


def sentence(error: BaseException) -> str:
    """The error's message on one line, of the system's without number and path; its type where it has none."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split()) or type(error).__name__
