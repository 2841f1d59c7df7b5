"""The exceptions that are meant for a person: each is a sentence that says what, where, and what is allowed.

``redact`` hides the credentials that URIs carry, which neither a sentence nor a log, a record or a file may hold.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from typing import NoReturn

#: After a user and a colon to the last @ of a word: people write passwords with a slash or an @ in them.
_USER_INFO = re.compile(r"(?<=://)(?:[^/:\s'\"]*:[^\s'\"]*|[^/\s'\"]*)@")
_SECRET = re.compile(r"((?:password|passwd|pwd|token|secret|api_?key|[?&]user)=)[^&\s'\"]+", re.IGNORECASE)

#: The sentence for a database driver that is missing, by its module.
_DRIVERS = {
    "psycopg": "psycopg is not installed: pip install -e '.[postgres]'",
    "psycopg2": "psycopg2 is not installed: write postgresql+psycopg://, which pip install -e '.[postgres]' brings",
}


def redact(text: str) -> str:
    """``text`` with user names and passwords of the URIs in it replaced by ``***``."""
    return _SECRET.sub(r"\1***", _USER_INFO.sub("***@", text))


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, or its kind where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def cause(error: BaseException) -> str:
    """What lies behind an error, in one line: the first sentence for people, else where it began."""
    while error.__cause__ is not None and not isinstance(error, ReportedError):
        error = error.__cause__
    return first_line(error)


def guess(word: str, known: Sequence[str]) -> str:
    """What may have been meant by a misspelt word, in brackets; nothing where none of those known is like it."""
    small = {each.lower(): each for each in known}
    close = difflib.get_close_matches(word.lower(), small, n=1)
    return f" (did you mean {small[close[0]]}?)" if close else ""


def without_driver(error: BaseException) -> str | None:
    """How to get the database driver whose import failed; None for any other error."""
    return _DRIVERS.get(error.name or "") if isinstance(error, ImportError) else None


class ReportedError(Exception):
    """A failure described in one sentence, without credentials.

    ``said`` is set once the sentence has reached the user.
    """

    said = False

    def __str__(self) -> str:
        return redact(super().__str__())


class UserError(ReportedError):
    """A mistake or a state of the machine that the user can mend; shown as one sentence, without a traceback."""


class SentenceParser(argparse.ArgumentParser):
    """A parser of a command line that complains by a ``UserError``, in a sentence instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        _, unknown, words = message.partition("unrecognized arguments: ")
        if not unknown:
            raise UserError(f"{message.removeprefix('argument ')}; {self.prog} --help tells more")
        word = words.split()[0]
        options = re.findall(r"--[a-z][\w-]*", self.format_usage())
        meant = guess(word.partition("=")[0], options)
        if "=" in word and not word.startswith("-") and "--where" in options:
            meant = f" (did you mean --where {word}?)"
        raise UserError(f"{word}: no such option; {self.prog} --help lists them{meant}")


class Infeasible(UserError):
    """A budget that this network cannot meet; others on its curve may be."""


class JobFailed(ReportedError):
    """Some points of a job could not be computed; the others were, and are recorded."""
