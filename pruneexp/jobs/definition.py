"""What a sweep asked for: its jobs by number, fixed for as long as its name is used.

A definition is written down, shown and compared without the credentials in it: a sweep goes on after a password has
changed, and no digest of one can be tried against a list of likely passwords.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import yaml
from filelock import FileLock

from pruneexp.errors import UserError, redact
from pruneexp.jobs.folder import SweepFolder, write

#: Version of the file's form.
VERSION = 1

#: What decides no number: it may differ from one command to the next. Not so where it differs between jobs.
_FREE = ("runtime.", "hydra.", "hydra/", "plan=")

#: Changed lines shown of a refused definition.
_SHOWN = 24

_HEAD = "# What this sweep asks for. Written once, by the first command that used the name.\n"


@dataclass(frozen=True)
class Definition:
    """The overrides of each job; the index is the job's number, which never changes."""

    jobs: tuple[tuple[str, ...], ...]

    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.jobs).encode()).hexdigest()[:8]

    def text(self) -> str:
        """The file: one line per job."""
        head = f"{_HEAD}version: {VERSION}\njobs:\n"
        lines = (yaml.safe_dump([list(job)], default_flow_style=None, width=2**31) for job in self.jobs)
        return head + "".join(lines)


def definition(jobs: Sequence[Sequence[str]]) -> Definition:
    """A definition without what cannot change a number, and without credentials.

    Raises:
        UserError: there is no job, or two are the same.
    """
    if not jobs:
        raise UserError("this sweep has no job")
    shared = {line for line in jobs[0] if _bare(line).startswith(_FREE) and all(line in job for job in jobs)}
    kept = tuple(tuple(line for line in job if line not in shared) for job in jobs)
    first: dict[frozenset[str], int] = {}
    for number, job in enumerate(kept):
        other = first.setdefault(frozenset(job), number)
        if other != number:
            raise UserError(f"jobs {other} and {number} of this sweep are the same: {' '.join(job) or 'no overrides'}")
    return Definition(_veiled(kept))


def read(folder: SweepFolder) -> Definition | None:
    """The definition of a sweep; None where there is none.

    Raises:
        UserError: it is damaged, or was written by a newer version of this project.
    """
    try:
        found = yaml.safe_load(folder.definition.read_text(encoding="utf-8"))
        version = found["version"]
        if isinstance(version, int) and version > VERSION:
            raise UserError(f"{folder.definition} was written by a newer version of pruneexp: update this one")
        return Definition(tuple(tuple(str(line) for line in job) for job in found["jobs"]))
    except FileNotFoundError:
        return None
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{folder.definition} cannot be read: remove the folder {folder.path} and give the sweep's command again; "
            "nothing that was computed or recorded lies in it"
        ) from error


def check(folder: SweepFolder, wanted: Definition) -> None:
    """See that the name is free, or was used for the same.

    Raises:
        UserError: it was used for another sweep; shows the difference.
    """
    known = read(folder)
    if known is None or known == wanted:
        return
    changes = _changes(known, wanted)
    shown = [*changes[:_SHOWN], *([f"... and {len(changes) - _SHOWN} lines more"] if len(changes) > _SHOWN else [])]
    raise UserError(
        f"the sweep {folder.name} was defined otherwise ({folder.definition}, - there, + asked now): give this one "
        f"another name with runtime.sweep=NAME (what both ask for is computed once), or take the changes back\n"
        + "\n".join(shown)
    )


def claim(folder: SweepFolder, wanted: Definition) -> None:
    """Write the definition down, unless it is there already; of two who claim a name at once, one gets it.

    Raises:
        UserError: as ``check``, or the folder cannot be written.
    """
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.path / "definition.lock"):
            check(folder, wanted)
            if not folder.definition.exists():
                write(folder.definition, wanted.text())
    except OSError as error:
        raise UserError(
            f"the sweep's folder {folder.path} cannot be written: {error.strerror or error}; mend it or choose another "
            "one with runtime.sweeps=FOLDER"
        ) from error


def automatic_name(wanted: Definition) -> str:
    """``reg-seed-1f0c9a2b``: the keys that differ between jobs, and a digest of everything."""
    keys = dict.fromkeys(_bare(line).partition("=")[0] for job in wanted.jobs for line in job)
    texts = {key: {line for job in wanted.jobs for line in job if _bare(line).startswith(f"{key}=")} for key in keys}
    words = [re.sub(r"\W", "", key.rpartition(".")[2]) for key in keys if len(texts[key]) > 1]
    return "-".join([*(word for word in words[:4] if word), wanted.digest()])


def _veiled(jobs: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """The lines without credentials; those that differ in nothing else are counted, so that their jobs stay apart."""
    hidden: dict[str, list[str]] = {}

    def veiled(line: str) -> str:
        shown = redact(line)
        if shown == line:
            return line
        others = hidden.setdefault(shown, [])
        if line not in others:
            others.append(line)
        number = others.index(line) + 1
        return shown if number == 1 else f"{shown} ({number})"

    return tuple(tuple(map(veiled, job)) for job in jobs)


def _bare(line: str) -> str:
    return line.lstrip("+~")


def _changes(known: Definition, wanted: Definition) -> list[str]:
    before, after = ([f"{number}: {' '.join(job)}" for number, job in enumerate(each.jobs)] for each in (known, wanted))
    return list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
