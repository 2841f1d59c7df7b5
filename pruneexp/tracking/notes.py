"""Debt notes: which records of a result store an experiment of a tracking store is still owed, and which it has.

A note is a small JSON file, whole or not there. What is written into the tracking store moves from ``owed`` to
``paid``; what comes again unchanged stays paid. Of the processes and machines that share the result store one at a time
notes, writes and pays. Knows the files alone, and no MLflow.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from pruneexp.errors import UserError, redact
from pruneexp.shared_files import write_text
from pruneexp.tracking.artefacts import now, without_credentials

Kind = Literal["point", "failure", "scan", "curve", "study"]

#: The order in which notes are paid: how a run ended is said when everything is in it.
ORDER: tuple[Kind, ...] = ("point", "failure", "scan", "curve", "study")
#: Kinds that a person counts as records.
RECORDS = ("point", "failure", "scan")

_ABOUT, _OWED, _PAID, _SUFFIX = "place.json", "owed", "paid", ".json"


@dataclass(frozen=True)
class Note:
    """One record that is owed or paid; ``body`` is what its artefact does not hold."""

    kind: Kind
    key: str
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.key}"


class Place:
    """One experiment of one tracking store, and what it is owed of the result store in ``root``.

    Places that differ in user name or password alone are one, so that a changed password leaves nothing behind.
    """

    def __init__(self, root: Path, uri: str, experiment: str) -> None:
        self.uri, self.experiment = redact(uri), experiment
        about = json.dumps({"uri": self.uri, "experiment": experiment}, sort_keys=True)
        self.folder = root / "records" / hashlib.sha256(about.encode()).hexdigest()[:16]
        self.lock = FileLock(self.folder / "notes.lock", poll_interval=0.002)

    @classmethod
    def at(cls, folder: Path) -> Place | None:
        """The place of a folder; None where it is none."""
        about = _found(folder / _ABOUT)
        return None if about is None else cls(folder.parents[1], str(about["uri"]), str(about["experiment"]))

    def owe(self, note: Note) -> Note | None:
        """Note what is to be written; the note as it is owed, None where it is paid already.

        A point that failed and is finished now is owed once. A finished point keeps its first note.

        Raises:
            UserError: the disk refuses.
        """
        with self._changing():
            if note.kind == "point":
                self._remove(f"failure-{note.key}")
            before, body = self.find(note.kind, note.key), without_credentials(note.body)
            if before is None or (note.kind != "point" and _content(before.body) != _content(body)):
                _write(self._path(_OWED, note.name), {**body, "noted": now()})
                self._path(_PAID, note.name).unlink(missing_ok=True)
            owed = _found(self._path(_OWED, note.name))
            return None if owed is None else Note(note.kind, note.key, owed)

    def pay(self, note: Note) -> None:
        """Say that a note that is owed has been written."""
        with self._changing():
            os.replace(self._path(_OWED, note.name), self._path(_PAID, note.name))

    def owe_again(self, name: str = "*") -> None:
        """Owe everything that was paid, or the note of this name."""
        with self._changing():
            for path in list((self.folder / _PAID).glob(f"{name}{_SUFFIX}")):
                if self._path(_OWED, path.stem).exists():
                    path.unlink()
                else:
                    os.replace(path, self.folder / _OWED / path.name)

    def drop(self, note: Note) -> None:
        """Forget a note whose artefact is lost: the command that computes it again owes it again."""
        with self._changing():
            self._remove(note.name)

    def recognise(self, made: str) -> bool:
        """Whether everything is owed again, because the experiment of this name is not the one that was paid."""
        with self._changing():
            about = _found(self.folder / _ABOUT) or {}
            before = about.get("made")
            if before != made:
                self.owe_again()
                _write(self.folder / _ABOUT, {"uri": self.uri, "experiment": self.experiment, "made": made})
            return before not in (None, made)

    def find(self, kind: Kind, key: str) -> Note | None:
        """The note of this name, owed or paid."""
        for folder in (_OWED, _PAID):
            body = _found(self._path(folder, f"{kind}-{key}"))
            if body is not None:
                return Note(kind, key, body)
        return None

    def paid(self, kind: Kind, key: str) -> bool:
        """Whether it was written, as it is now."""
        name = f"{kind}-{key}"
        return self._path(_PAID, name).exists() and not self._path(_OWED, name).exists()

    def owed(self, say: Callable[[str], None]) -> Iterator[Note]:
        """Every note that is owed, in the order of payment and each ``alone``.

        What another process has written meanwhile is passed over; what cannot be read is said and forgotten.
        """
        for kind in ORDER:
            for path in sorted(self._files(_OWED, kind)):
                with self.alone():
                    body = _found(path)
                    if body is not None:
                        yield Note(kind, path.stem.partition("-")[2], body)
                    elif path.exists():
                        path.unlink()
                        say(f"The note {path} is damaged and removed: its command records it again.")

    def records(self) -> int:
        """How many records are owed; how a curve ended counts where it alone is owed."""
        kinds = Counter(path.name.partition("-")[0] for path in self._files(_OWED))
        return sum(kinds[kind] for kind in RECORDS) or kinds["curve"] + kinds["study"]

    def _files(self, folder: str, kind: str = "*") -> Iterator[Path]:
        return (self.folder / folder).glob(f"{kind}-*{_SUFFIX}")

    def _path(self, folder: str, name: str) -> Path:
        return self.folder / folder / f"{name}{_SUFFIX}"

    def _remove(self, name: str) -> None:
        for folder in (_OWED, _PAID):
            self._path(folder, name).unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within, no other process notes anything, or writes what is noted; the folder is there.

        Raises:
            UserError: the disk refuses.
        """
        with self._explained():
            if not (self.folder / _ABOUT).exists():
                for folder in (_OWED, _PAID):
                    (self.folder / folder).mkdir(parents=True, exist_ok=True)
                _write(self.folder / _ABOUT, {"uri": self.uri, "experiment": self.experiment})
            self.lock.acquire()
        try:
            yield
        finally:
            self.lock.release()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self.alone(), self._explained():
            yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"What is to be recorded at {self.uri} cannot be noted in {self.folder}: {error.strerror or error}; "
                f"mend the folder and give the same command again: what was computed is in the store."
            ) from error


def places(root: Path) -> list[Place]:
    """Every place that a result store has records for."""
    found = (Place.at(folder) for folder in sorted((root / "records").glob("*/")))
    return [place for place in found if place is not None]


def store_id(root: Path) -> str:
    """A name of a result store that no other one has, made when it is first asked for."""
    path = root / "id"
    with FileLock(root / "id.lock"):
        if not path.exists():
            write_text(path, uuid.uuid4().hex)
    return path.read_text(encoding="utf-8").strip()


def mark(marks: Path, place: Place) -> None:
    """Leave a word in the working folder that something is owed, for the command that started this process."""
    with suppress(OSError):  # the command will not say it; the note is there
        write_text(marks / place.folder.name, str(place.folder))


def marked(marks: Path) -> Mapping[Path, int]:
    """The folders of the places that were marked, and when, in nanoseconds."""
    found = {}
    for path in sorted(marks.iterdir()) if marks.is_dir() else ():
        with suppress(FileNotFoundError):  # another command has told it meanwhile
            if not path.name.startswith("."):
                found[Path(path.read_text(encoding="utf-8"))] = path.stat().st_mtime_ns
    return found


def counted(records: int) -> str:
    """``1 record``, ``3 records``."""
    return f"{records} record{'' if records == 1 else 's'}"


def _content(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "noted"}


def _found(path: Path) -> dict[str, Any] | None:
    """A file's values; None where it is not there, or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content))
