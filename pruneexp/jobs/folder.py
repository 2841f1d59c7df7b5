"""The folder of a sweep: its jobs by number, fixed for as long as its name is used.

What is written down, shown and compared has no credentials in it: a sweep goes on after a password has changed, and no
digest of one can be tried against a list of likely passwords.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from filelock import FileLock

from pruneexp.errors import UserError, redact
from pruneexp.shared_files import write_text

#: The overrides of each job; the index is the job's number, which never changes.
Jobs = tuple[tuple[str, ...], ...]

#: What a name may look like: it is the name of a folder, and a value in a tag and on a command line.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")

#: What decides no number: it may differ from one command to the next. Not so where it differs between jobs.
_FREE = ("runtime.", "hydra.", "hydra/", "plan=")

_HEAD = "# What this sweep asks for. Written once, by the first command that used the name.\n"


@dataclass(frozen=True)
class SweepFolder:
    """The folder of the sweep ``name`` below ``root``; nothing is created by naming it.

    Raises:
        UserError: the name cannot be that of a folder.
    """

    root: Path
    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(
                f"runtime.sweep={self.name}: the name of a sweep is 1 to 100 letters, digits, dots, dashes and "
                "underscores, and starts with none of the dots and dashes"
            )

    @property
    def path(self) -> Path:
        return self.root / self.name

    @property
    def definition(self) -> Path:
        return self.path / "definition.yaml"

    def state(self, number: int) -> Path:
        """Where a job stands."""
        return self.path / f"{number:05d}.json"

    def lock(self, number: int) -> Path:
        """Held by the process that runs the job."""
        return self.path / f"{number:05d}.lock"

    def log(self, number: int) -> Path:
        """What a job says where it must not say it in somebody's terminal."""
        return self.path / f"{number:05d}.log"

    def jobs(self) -> Jobs | None:
        """The overrides of each job, by its number; None where the name has not been used.

        Raises:
            UserError: the definition cannot be read.
        """
        try:
            found = yaml.safe_load(self.definition.read_text(encoding="utf-8"))
            return tuple(tuple(str(line) for line in job) for job in found["jobs"])
        except FileNotFoundError:
            return None
        except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise UserError(
                f"{self.definition} cannot be read: remove the folder {self.path} and give the sweep's command again; "
                "nothing that was computed or recorded lies in it"
            ) from error

    def check(self, wanted: Jobs) -> None:
        """See that the name is free, or was used for the same jobs; the words of one may stand in another order.

        Raises:
            UserError: it was used for others; shows the first job that differs.
        """
        known = self.jobs()
        if known is None:
            return
        pairs = enumerate(itertools.zip_longest(known, wanted, fillvalue=("no such job",)))
        others = ((number, pair) for number, pair in pairs if _by_key(pair[0]) != _by_key(pair[1]))
        first = next(others, None)
        if first is None:
            return
        number, (there, asked) = first
        raise UserError(
            f"the sweep {self.name} was defined otherwise ({self.definition}, - there, + asked now): give this one "
            "another name with runtime.sweep=NAME (what both ask for is computed once), or take the changes back\n"
            f"-{number}: {' '.join(there)}\n+{number}: {' '.join(asked)}"
        )

    def claim(self, wanted: Jobs) -> None:
        """Write the jobs down, unless they are there; of two commands that claim a name at once, one gets it.

        Raises:
            UserError: as ``check``, or the folder cannot be written.
        """
        tree = {"version": 1, "jobs": [list(job) for job in wanted]}
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path / "definition.lock"):
                self.check(wanted)
                if not self.definition.exists():
                    write_text(self.definition, _HEAD + yaml.safe_dump(tree, default_flow_style=None, width=2**31))
        except OSError as error:
            raise UserError(
                f"the sweep's folder {self.path} cannot be written: {error.strerror or error}; mend it or choose "
                "another one with runtime.sweeps=FOLDER"
            ) from error


def definition(jobs: Sequence[Sequence[str]]) -> Jobs:
    """The jobs as they are kept: without what cannot change a number, and without credentials.

    Raises:
        UserError: there is no job, or two are the same.
    """
    if not jobs:
        raise UserError("this sweep has no job")
    shared = {line for line in jobs[0] if _bare(line).startswith(_FREE) and all(line in job for job in jobs)}
    kept = [[line for line in job if line not in shared] for job in jobs]
    first: dict[frozenset[str], int] = {}
    for number, job in enumerate(kept):
        other = first.setdefault(frozenset(job), number)
        if other != number:
            raise UserError(f"jobs {other} and {number} of this sweep are the same: {' '.join(job) or 'no overrides'}")
    return tuple(tuple(map(redact, job)) for job in kept)


def automatic_name(jobs: Jobs) -> str:
    """``reg-seed-1f0c9a2b``: the keys that differ between jobs, and a digest of everything."""
    shared = set.intersection(*map(set, jobs))
    differing = [line for job in jobs for line in job if line not in shared]
    keys = list(dict.fromkeys(_bare(line).partition("=")[0] for line in differing))
    words = [re.sub(r"\W", "", key.rpartition(".")[2]) for key in keys[:4]]
    digest = hashlib.sha256(json.dumps(jobs).encode()).hexdigest()[:8]
    return "-".join([*filter(None, words), digest])


def sweeps_in(root: Path) -> list[SweepFolder]:
    """Every sweep below ``root``, the one that was defined last first."""
    found = [path for path in root.glob("*/definition.yaml") if _NAME.fullmatch(path.parent.name)]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [SweepFolder(root, path.parent.name) for path in found]


def _bare(line: str) -> str:
    return line.lstrip("+~")


def _by_key(job: Sequence[str]) -> list[str]:
    """The overrides of a job in the order of their keys; of one key the later counts, so that these keep theirs."""
    return sorted(job, key=lambda words: words.partition("=")[0])
