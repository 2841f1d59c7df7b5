"""Words of a command line that are neither a flag nor KEY=VALUE, and what was meant by them. Knows no Hydra."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pruneexp.config.choices import known_choices
from pruneexp.config.groups import GROUPS
from pruneexp.config.keys import meanings
from pruneexp.config.meant import meant_by
from pruneexp.errors import UserError, guess

#: Flags of the commands, as Hydra reads them, and whether a value follows.
FLAGS = {
    "--help": False, "-h": False, "--multirun": False, "-m": False, "--config-dir": True, "-cd": True,
    "--version": False, "--hydra-help": False, "--run": False, "-r": False, "--cfg": True, "-c": True,
    "--resolve": False, "--package": True, "-p": True, "--info": False, "-i": False, "--config-path": True,
    "-cp": True, "--config-name": True, "-cn": True, "--shell-completion": False, "-sc": False,
    "--experimental-rerun": True,
}  # fmt: skip

#: What people write for a flag, or for plan=true.
_FLAGS_MEANT = {"m": "-m", "multirun": "--multirun", "help": "--help", "plan": "plan=true", "dry-run": "plan=true"}


def check_words(words: Sequence[str], flags: Mapping[str, bool] = FLAGS) -> None:
    """Refuse the first word that is neither one of these flags nor KEY=VALUE.

    Raises:
        UserError: says what to write instead.
    """
    is_value = False
    for index, word in enumerate(words):
        before, after = words[:index], words[index + 1 :]
        if is_value:
            is_value = False
        elif word.startswith("-"):
            name, equals, _ = word.partition("=")
            if name not in flags:
                raise UserError(f"{word}: {_flag(word, after, flags)}")
            is_value = flags[name] and not equals
        elif "=" not in word[1:] and not word.startswith("~"):
            raise UserError(f"{word}: {_stray(word, before, after)}")
        elif word.endswith("=") and after and _is_bare(after[0]):
            raise UserError(f"{word} {after[0]}: write {word}{after[0]}, without a space")


def _is_bare(word: str) -> bool:
    return "=" not in word and not word.startswith(("-", "~"))


def _flag(word: str, after: Sequence[str], flags: Mapping[str, bool]) -> str:
    """What was meant by a flag that there is not."""
    name, equals, value = word.lstrip("-").partition("=")
    key = name.replace("-", "_")
    given = value if equals else after[0] if after and _is_bare(after[0]) else None
    if word in FLAGS:
        return f"no flag of this command, whose flags are {', '.join(flags)}"
    if name in _FLAGS_MEANT:
        return f"no such flag (did you mean {_FLAGS_MEANT[name]}?)"
    there = key in GROUPS or key in meanings()
    if meant := f"{key}={given or 'VALUE'}" if there else meant_by(key, given):
        return f"keys have no dashes before them: write {meant}"
    main = [flag for flag in ("--help", "-m", "--multirun", "--config-dir") if flag in flags]
    return f"no such flag; there are {', '.join(main)}{guess(f'--{name}', main)}"


def _stray(word: str, before: Sequence[str], after: Sequence[str]) -> str:
    """What was meant by a word without a key, or without a value."""
    following = after[0] if after else ""
    if following.startswith("=") or word.startswith("="):
        parts = [*before[-1:], word] if word.startswith("=") else [word, *after[: 1 + (following == "=")]]
        return f"write {''.join(parts)}, without spaces around ="
    if before and (joined := _joined(before[-1], [word, *after])):
        return f"write {joined}, without spaces"
    if word in _FLAGS_MEANT:
        return f"write {_FLAGS_MEANT[word]}"
    value = following if following and _is_bare(following) else "VALUE"
    if word in GROUPS or word in meanings():
        choices = f", one of {', '.join(known_choices((), word))}" if word in GROUPS else ""
        return f"write {word}={value}{choices}"
    last = before[-1] if before else ""
    if (group := last.partition("=")[0]) in GROUPS and word in known_choices((), group):
        return f"write -m {last},{word} for a job of each"
    return _chosen(word, value)


def _joined(first: str, rest: Sequence[str]) -> str | None:
    """A list that spaces have torn into words, made whole; None where nothing tells that ``rest`` belongs to it."""
    whole = first
    for word in rest:
        is_open = whole.count("[") > whole.count("]")
        if not is_open and not whole.endswith(",") and not word.startswith(","):
            break
        comma = "" if whole.endswith((",", "[")) or word.startswith((",", "]")) else ","
        whole += comma + word
    return None if whole == first else f"'{whole}'" if "[" in whole else whole


def _chosen(word: str, value: str) -> str:
    """Where a word that stands alone is a choice, or a key that lacks its ``value``; else what is allowed there."""
    bare = re.sub(r"\.ya?ml$", "", word)
    held = {f"{group}={choice}": f"/{group}/{choice}" for group in GROUPS for choice in known_choices((), group)}
    if found := [choice for choice, path in held.items() if path == f"/{bare}" or f"/{bare}".endswith(path)]:
        return f"write {' or '.join(found)}"
    if bare != word:
        return f"a sweep's file is run by python -m sweeps {word}"
    for split in (re.fullmatch(r"([\w.]+):(.+)", word), re.fullmatch(r"(\w+)[./](.+)", word)):
        if split and (split[1] in GROUPS or split[1] in meanings()):
            return f"write {split[1]}={split[2]}"
    if found := [choice for choice, path in held.items() if word in path.split("/")[2:]]:
        return f"write {' or '.join(found)}"
    if meant := meant_by(word, value) if value != "VALUE" else None:
        return f"write {meant}"
    names = [choice.partition("=")[2] for choice in held]
    return f"neither GROUP=CHOICE nor KEY=VALUE; --help lists them{guess(word, names)}"
