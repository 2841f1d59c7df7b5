"""One sentence for each way in which composing can fail, made of what Hydra's and OmegaConf's exceptions carry."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    ConfigTypeError,
    InterpolationKeyError,
    ValidationError,
)
from yaml import MarkedYAMLError

from pruneexp.config.choices import choices_with, known_choices, unknown_choice
from pruneexp.config.groups import GROUPS
from pruneexp.config.keys import meanings
from pruneexp.config.meant import meant_by
from pruneexp.config.values import as_list, is_list, wrong_value
from pruneexp.errors import ReportedError, first_line, guess, redact

#: More choices that have a key than these are not told.
_FEW = 2
#: What Hydra's grammar says in its own terms.
_GRAMMAR = re.compile(r"expecting|viable|Lexer|EQUAL")


def complaint(error: BaseException) -> str:
    """What went wrong, where, and what is allowed, in one sentence without credentials."""
    chain = list(_chain(error))
    told = [str(link) for link in chain if isinstance(link, ReportedError)]
    explained = (sentence for link in chain if (sentence := _explained(link, str(error))) is not None)
    return redact(next(iter(told), None) or next(explained, None) or _unexplained(chain))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _explained(error: BaseException, said: str) -> str | None:
    """The sentence for an exception whose kind tells enough; ``said`` is what Hydra said around it."""
    file = re.match(r"In '([^']+)'", said)
    where = f"{file[1]}: " if file else ""
    if isinstance(error, MissingConfigException):
        return _missing_file(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(error)
    if isinstance(error, ConfigAttributeError | ConfigKeyError) and isinstance(error.parent_node, DictConfig):
        return f"{where}{_unknown_key(str(error.full_key), error.parent_node, said)}"
    if isinstance(error, InterpolationKeyError) and error.full_key:
        return f"{where}{error.full_key} refers to a key that this configuration does not have: {first_line(error)}"
    if isinstance(error, ValidationError | ConfigTypeError) and error.full_key:
        return f"{where}{_wrong_value(error, said)}"
    if missing := re.match(r"You must specify '(\w+)'", said):
        group = missing[1]
        return f"{group}: choose one, {' or '.join(f'{group}={choice}' for choice in known_choices((), group))}"
    if twice := re.search(r"An item is already at .*\nEither remove \+ prefix: '(.*)'", said):
        return f"+{twice[1]}: the key is there already; write {twice[1]}, without the +"
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{mark.name}: is no YAML in line {mark.line + 1}: {error.problem}"
    return None


def _unexplained(chain: list[BaseException]) -> str:
    error = next((link for link in chain if str(link).strip()), chain[0])
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
    return f"{first_line(error)} (runtime.traceback=true shows where)"


def _missing_file(error: MissingConfigException) -> str:
    if not error.options:
        return first_line(error)
    file = str(error.missing_cfg_file)
    group, _, choice = file.rpartition("/") if file.startswith("hydra/") else file.partition("/")
    return unknown_choice(group, choice, error.options)


def _unreadable(error: OverrideParseException) -> str:
    word = str(error.override)
    key, _, value = word.partition("=")
    if value.startswith("="):
        meant = f"write {key}={value.lstrip('=')}"
    elif value.endswith((",", ",]", ", ]")):
        meant = "no value follows the last comma"
    elif value.startswith(("(", "{")) and is_list(key):
        meant = f"write {as_list(key, value)}"
    elif chosen := re.fullmatch(r"choice\((.*)\)", value):
        meant = f"write {key}={chosen[1].replace(' ', '')}"
    elif value.startswith("{") and re.search(r"""['"] *:""", value):
        meant = "names before a colon stand without quotes"
    elif value.count("[") != value.count("]"):
        meant = (
            f"a bracket is open or too many; write {as_list(key, value)}" if is_list(key) else "a bracket is missing"
        )
    else:
        reason = next(line for line in error.message.splitlines() if not line.startswith("Error parsing override"))
        known = "" if _GRAMMAR.search(reason) else f" ({reason})"
        meant = f"put values that hold spaces, brackets or commas in quotes{known}"
    return f"{word}: cannot be read: {meant}"


def _unknown_key(key: str, node: DictConfig, said: str) -> str:
    parent, _, leaf = key.rpartition(".")
    known = sorted(str(each) for each in node if each not in ("_target_", *(["hydra"] * (not parent))))
    typed = re.search(rf"To append to your config use \+({re.escape(key)}[^=\n]*)=(.*)", said)
    if key in meanings():
        theirs = f"the keys of {parent} are {', '.join(known)}" if known else f"{parent} has no key at all then"
        others = [f"{parent}={choice}" for choice in choices_with(parent, leaf)] if parent in GROUPS else []
        by = f"{' and '.join(others)} {'has' if len(others) == 1 else 'have'} it, " * (0 < len(others) <= _FEW)
        return f"{key}: what is chosen has no such key; {by}{theirs}"
    if meant := meant_by(typed[1] if typed else key, typed[2] if typed else None, known):
        return f"{key}: no such key; write {meant}"
    where = f"the keys of {parent}" if parent else "the groups and keys"
    return f"{key}: no such key; {where} are {', '.join(known)}{guess(leaf, known)}"


def _wrong_value(error: ValidationError | ConfigTypeError, said: str) -> str:
    override = said.partition("Error merging override ")[2].partition("\n")[0]
    key, _, typed = override.partition("=")
    if not override:
        key, typed = str(error.full_key or error.key), str(error.value)
    return wrong_value(re.sub(r"\[\d+\]$", "", key).lstrip("+"), typed) or f"{override or key}: {first_line(error)}"
