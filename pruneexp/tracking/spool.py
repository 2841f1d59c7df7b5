"""Letters that wait in a folder for a tracking store that could not be written: one JSON file each, whole or not there.

A file's name says of what it is and what it holds: the same record, however often it is put here, waits once. Without
credentials, wherever in a letter they stood. Knows no MLflow and no network.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from pruneexp.errors import UserError, redact
from pruneexp.tracking.letters import ORDER, RECORDS, Letter, plain, read

FORMAT = 1
_ABOUT = "store.json"
_SUFFIX, _DAMAGED = ".json", ".damaged"


@dataclass(frozen=True)
class Waiting:
    """What waits for one experiment of one store; ``uri`` without credentials."""

    folder: Path
    uri: str
    experiment: str
    records: int


class Spool:
    """The letters for one experiment of one store.

    Two that differ in user name or password alone are one, so that a changed password leaves nothing behind.
    """

    def __init__(self, root: Path, uri: str, experiment: str) -> None:
        self._about = {"uri": redact(uri), "experiment": experiment}
        name = hashlib.sha256(json.dumps(self._about, sort_keys=True).encode()).hexdigest()[:32]
        self.folder = root.absolute() / name

    @classmethod
    def at(cls, folder: Path) -> Spool:
        """The spool that lies in this folder, whichever store it is for."""
        spool = cls(folder.parent, **_about(folder))
        spool.folder = folder.absolute()
        return spool

    def lock(self) -> FileLock:
        """Held by the one process that delivers; others may go on adding."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "deliver.lock")

    def add(self, letter: Letter) -> None:
        """Keep a letter durably.

        Raises:
            UserError: the disk refuses.
        """
        kept = _without_credentials(plain(letter))
        digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
        content = {"format": FORMAT, "written": time.time_ns(), "letter": kept}
        name = f"{letter.kind}-{_digest(letter.key)}-{digest[:16]}{_SUFFIX}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / _ABOUT).exists():
                _write(self.folder / _ABOUT, json.dumps(self._about))
            _write(self.folder / name, _signed(content))
            if letter.kind == "ending":  # only the last counts, whatever the clock says of the others
                for earlier in self.folder.glob(f"ending-{_digest(letter.key)}-*{_SUFFIX}"):
                    if earlier.name != name:
                        earlier.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"A record could neither be written to {self._about['uri']} nor kept in {self.folder}: "
                f"{error.strerror or error}; mend one of them and give the same command again: what was computed is "
                f"in the store."
            ) from error

    def files(self) -> list[Path]:
        """The files of all letters, in no order."""
        return _files(self.folder)

    def damaged(self) -> list[Path]:
        """What was set aside."""
        return sorted(self.folder.glob(f"*{_DAMAGED}"))

    def records(self) -> int:
        """How many records wait; one that waits twice counts once."""
        return _count(self.folder)

    def letters(self, say: Callable[[str], None], *, look_only: bool = False) -> Iterator[tuple[Path, Letter]]:
        """Every letter in the order of delivery; one that is damaged is said, and set aside unless one looks only."""
        found: list[tuple[int, int, Path, Letter]] = []
        for path in _files(self.folder):
            try:
                content = _verified(path.read_text(encoding="utf-8"))
                if content["format"] > FORMAT:
                    say(f"A newer version wrote {path}: it stays until that version delivers it.")
                    continue
                letter = read(content["letter"])
                found.append((ORDER.index(letter.kind), content["written"], path, letter))
            except FileNotFoundError:
                continue  # delivered by another process meanwhile
            except (ValueError, KeyError, TypeError) as error:
                if look_only:
                    say(f"{path} is damaged ({error})")
                    continue
                aside = path.with_suffix(_DAMAGED)
                os.replace(path, aside)
                say(f"A waiting record is damaged ({error}) and set aside as {aside}: its command records it again.")
        yield from ((path, letter) for _, _, path, letter in sorted(found, key=lambda entry: entry[:3]))


def waiting(root: Path) -> list[Waiting]:
    """What waits below ``root``, per store and experiment; a record that waits twice counts once."""
    found = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else ():
        records = _count(folder)
        if records:
            about = _about(folder)
            found.append(Waiting(folder, about["uri"], about["experiment"], records))
    return found


def stamps(root: Path) -> set[tuple[str, int]]:
    """Names and times of all waiting files: which of them are new is told by comparing."""
    found = set()
    for folder in root.iterdir() if root.is_dir() else ():
        for path in _files(folder):
            try:
                found.add((f"{folder.name}/{path.name}", path.stat().st_mtime_ns))
            except FileNotFoundError:
                continue  # delivered meanwhile
    return found


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob(f"*-*-*{_SUFFIX}") if path.name.partition("-")[0] in ORDER]


def _count(folder: Path) -> int:
    """A point that failed and was computed later is one record; how its curve ended counts where it waits alone."""
    files = _files(folder)
    kinds = (path.name.split("-") for path in files)
    records = {key if kind != "scan" else f"scan {key}" for kind, key, _ in kinds if kind in RECORDS}
    return len(records) or len(files)


def _about(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        return {"uri": str(found["uri"]), "experiment": str(found["experiment"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"uri": "an unknown store", "experiment": "unknown"}


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _without_credentials(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(key): _without_credentials(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_credentials(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else redact(str(value))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _signed(content: Mapping[str, Any]) -> str:
    checksum = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return json.dumps({**content, "checksum": checksum})


def _verified(text: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(text)
    del content["checksum"]
    if text != _signed(content):
        raise ValueError("its checksum differs")
    return content
