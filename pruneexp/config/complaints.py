"""One sentence for each way in which composing can fail, made of what Hydra's and OmegaConf's exceptions carry."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, InterpolationKeyError, ValidationError
from yaml import MarkedYAMLError

from pruneexp.config.choices import unknown_choice
from pruneexp.errors import ReportedError, first_line, guess, redact


def complaint(error: BaseException) -> str:
    """What went wrong, where, and what is allowed, in one sentence without credentials."""
    chain = list(_chain(error))
    told = [str(link) for link in chain if isinstance(link, ReportedError)]
    explained = (sentence for link in chain if (sentence := _explained(link, first_line(error))) is not None)
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
        return f"{where}{_unknown_key(str(error.full_key), error.parent_node)}"
    if isinstance(error, InterpolationKeyError) and error.full_key:
        return f"{where}{error.full_key} refers to a key that this configuration does not have: {first_line(error)}"
    if isinstance(error, ValidationError) and error.full_key:
        override = said.partition("Error merging override ")[2]
        return f"{where}{override or error.full_key}: {first_line(error)}"
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
    reason = next(line for line in error.message.splitlines() if not line.startswith("Error parsing override"))
    return f"the command line cannot be read: {reason}; quote values that hold spaces, brackets or commas"


def _unknown_key(key: str, node: DictConfig) -> str:
    parent, _, leaf = key.rpartition(".")
    known = sorted(str(each) for each in node if parent or each != "hydra")
    where = f"the keys of {parent}" if parent else "the groups and keys"
    return f"{key}: no such key; {where} are {', '.join(known)}{guess(leaf, known)}"
