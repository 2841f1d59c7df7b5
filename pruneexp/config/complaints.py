"""One clear sentence for each way in which composing can fail; Hydra's own messages run over several lines."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from pruneexp.config.skeleton import conf_folder
from pruneexp.errors import Told, first_line, redact


@dataclass(frozen=True)
class Composed:
    """What a command composes, and with which overrides it composes for certain; to list the keys there are."""

    config: str = "config"
    overrides: tuple[str, ...] = ()


def complaint(error: BaseException, composed: Composed = Composed()) -> str:
    """What went wrong, where, and what is allowed, in one sentence."""
    for told in _chain(error):
        if isinstance(told, Told):
            return str(told)
    text = redact("\n".join(str(e) for e in _chain(error)))
    for pattern, explain in (
        (r"Could not find '(?P<group>hydra/\w+|\w+)/(?P<choice>[^']+)'", _unknown_choice),
        (
            r"Could not (?:override|append value to) '(?P<key>[^']+)'[\s\S]*Key '(?P<leaf>[^']+)' (?:is )?not in",
            _unknown_key,
        ),
        (r"You must specify '(?P<group>\w+)'", _no_choice),
        (r"Could not override '(?P<key>[^']+)'[\s\S]*No match in the defaults list", _unknown_key),
        (r"Error parsing override '(?P<key>[^=']+)=choice\((?P<values>[^']*)\)'[\s\S]*NoneType", _null_in_choice),
        (r"Ambiguous value for argument '(?P<key>[^=']+)=(?P<values>[^']*)'", _no_sweep),
        (r"Sweep parameters '(?P<key>[^=']+)=(?P<values>[^']*)' requires", _no_sweep),
        (r"Error merging override (?P<override>\S+)\n?(?P<rest>[\s\S]*)", _wrong_value),
        (r"(?P<kind>mismatched input|no viable alternative|token recognition|extraneous input)[^\n]*", _unparsable),
    ):
        if match := re.search(pattern, text):
            return explain(match, text, composed)
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
    return f"{redact(first_line(error))} (runtime.traceback=true shows where)"


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _unknown_choice(match: re.Match[str], text: str, composed: Composed) -> str:
    group, choice = match["group"], match["choice"]
    listed = re.search(r"Available options in '[^']*':\n((?:\t.*\n?)+)", text)
    ours = conf_folder() / group  # Hydra does not list what lies in a folder of its own
    nested = {str(path.relative_to(ours).with_suffix("")) for path in ours.glob("*/*.yaml")}
    choices = sorted({*(line.strip() for line in listed[1].splitlines()), *nested}) if listed else []
    return f"{group}={choice}: no such choice; the choices of {group} are {', '.join(choices)}{_guess(choice, choices)}"


def _no_choice(match: re.Match[str], text: str, composed: Composed) -> str:
    group = match["group"]
    listed = re.search(r"Available options:\n((?:\t.*\n?)+)", text)
    choices = sorted({line.strip() for line in listed[1].splitlines()}) if listed else []
    return f"{group}: nothing is chosen; write {group}=CHOICE, where the choices are {', '.join(choices)}"


def _unknown_key(match: re.Match[str], text: str, composed: Composed) -> str:
    key = match["key"]
    leaf = match.groupdict().get("leaf") or key
    parts = key.split(".")
    parent = ".".join(parts[: parts.index(leaf)]) if leaf in parts else ".".join(parts[:-1])
    keys = _keys_below(parent, composed)
    if not keys:  # below hydra: its keys are not ours to list
        return f"{key}: no such key"
    where = f"the keys of {parent}" if parent else "the groups and keys"
    return f"{key}: no such key; {where} are {', '.join(keys)}{_guess(leaf, keys)}"


def _wrong_value(match: re.Match[str], text: str, composed: Composed) -> str:
    reason = next((line.strip() for line in match["rest"].splitlines() if line.strip()), "wrong value")
    return f"{match['override']}: {reason}"


def _no_sweep(match: re.Match[str], text: str, composed: Composed) -> str:
    said = f"{match['key']}={match['values']}"
    return f"{said}: one command runs one job; to run a job for each value: -m {said}"


def _null_in_choice(match: re.Match[str], text: str, composed: Composed) -> str:
    key, values = match["key"], match["values"]
    return f"{key}=choice({values}): choice() takes no null, a list does: write {key}={values.replace(' ', '')}"


def _unparsable(match: re.Match[str], text: str, composed: Composed) -> str:
    return f"the command line cannot be read: {match[0].strip()}; quote values that hold spaces, brackets or commas"


def _guess(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _keys_below(parent: str, composed: Composed) -> list[str]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        node = compose(composed.config, overrides=list(composed.overrides))
    for part in filter(None, parent.split(".")):
        node = node.get(part) if isinstance(node, DictConfig) else None
    return sorted(str(key) for key in node) if isinstance(node, DictConfig) else []
