"""Text as windows of characters, with the characters that follow: CPython's topics of help, or a file of the user's."""

from __future__ import annotations

import string
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pruneexp.data import fetch
from pruneexp.data.dataset import Dataset
from pruneexp.data.fingerprint import fingerprint
from pruneexp.data.tensors import TensorSource
from pruneexp.errors import UserError

#: What characters are counted among where nothing else is said: the end of a line and printable ASCII, in this order.
ALPHABET = "\n" + "".join(sorted(string.ascii_letters + string.digits + string.punctuation + " "))

_SHOWN = 5  # unknown characters that a sentence lists


def topics(window: int = 128) -> Dataset:
    """The topics of Python's ``help()``, one after the other in the order of their names: half a million characters.

    They come with the interpreter (``pydoc_data.topics``), so another version of Python has another text, and another
    fingerprint. Characters outside ``ALPHABET``, such as typographic quotes, are unknown.

    Raises:
        UserError: the interpreter comes without them, or the text is too short for such windows.
    """
    try:
        from pydoc_data.topics import topics as found
    except ImportError as error:
        raise UserError("data set 'topics' is pydoc_data.topics, which this installation of Python lacks") from error
    return _dataset("topics", "".join(found[name] for name in sorted(found)), window, 0.05, 0.05, ALPHABET)


def text(
    root: str,
    window: int = 128,
    val: float = 0.05,
    test: float = 0.05,
    alphabet: str | None = None,
    unknown: bool = True,
) -> Dataset:
    """The file ``root``, UTF-8, cut into train, val and test, one after the other; ``val`` and ``test`` are shares.

    Token 0 stands for every character that ``alphabet`` lacks (None: ``ALPHABET``); with ``unknown=False`` there may be
    none.

    Raises:
        UserError: the file cannot be read, holds unknown characters, or is too short; an argument is out of its range.
    """
    path = Path(root).expanduser()
    with fetch.reading(path, "data.root names a text file in UTF-8"):
        read = path.read_text(encoding="utf-8")
    known = ALPHABET if alphabet is None else alphabet
    if not known or len(set(known)) < len(known):
        raise UserError(f"data.alphabet={known!r}: allowed are one character or more, each of them once")
    if not unknown:
        _check_known(read, known, path)
    return _dataset(path.stem, read, window, val, test, known)


def _check_known(read: str, alphabet: str, path: Path) -> None:
    lacking = Counter(read)
    for character in alphabet:
        lacking.pop(character, None)
    if lacking:
        shown = ", ".join(f"{character!r} ({count}x)" for character, count in lacking.most_common(_SHOWN))
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        raise UserError(
            f"the alphabet lacks characters of {path}: {shown}{more}; add them to data.alphabet, or let them be one "
            "unknown character with data.unknown=true"
        )


def _dataset(name: str, read: str, window: int, val: float, test: float, alphabet: str) -> Dataset:
    if window < 1:
        raise UserError(f"data.window={window}: allowed is 1 or more")
    if not (val > 0 and test > 0 and val + test < 1):
        raise UserError(f"data.val={val:g} and data.test={test:g}: allowed are shares above 0, together below 1")
    tokens = _tokens(read, alphabet)
    held = [int(len(tokens) * share) for share in (val, test)]
    parts = dict(zip(("train", "val", "test"), tokens.split([len(tokens) - sum(held), *held]), strict=True))
    for split, part in parts.items():
        if len(part) <= window:
            raise UserError(
                f"the text of data set '{name}' is too short: {split} has {len(part)} of its {len(tokens)} "
                f"characters, and one window takes {window + 1} (data.window={window})"
            )
    facts = {"name": name, "window": window, "alphabet": alphabet}
    return Dataset(
        name=name,
        classes=1 + len(alphabet),
        shape=(window,),
        **{split: windows(part, window) for split, part in parts.items()},
        fingerprint=fingerprint(facts, {split: part.numpy() for split, part in parts.items()}),
    )


def windows(tokens: Tensor, window: int) -> TensorSource:
    """A text of int64 ``tokens`` (L,), L above ``window``, in windows, and the tokens that follow each of theirs.

    Window ``i`` begins at token ``i * window``, and its targets one token later. What is left at the end, too short for
    a window, is not visited.
    """
    both = tokens.unfold(0, window + 1, window)
    return TensorSource(both[:, :-1], both[:, 1:])


def _tokens(read: str, alphabet: str) -> Tensor:
    """Int64 (N,): places in the alphabet counted from 1, and 0 for a character that it lacks."""
    places = {character: place for place, character in enumerate(alphabet, start=1)}
    numbers = np.fromiter((places.get(character, 0) for character in read), np.int64, len(read))
    return torch.from_numpy(numbers)
