"""Files of sweeps: found, read strictly, and turned into words of ``python -m pruneexp``. Knows no Hydra."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

from pruneexp.config.groups import GROUPS
from pruneexp.errors import UserError
from sweeps.grid import SweepGrid, grid, text

SHIPPED = Path(__file__).parent


class _Strict(yaml.SafeLoader):
    """As ``SafeLoader``, but a key that stands twice is not passed over."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise UserError(f"{key}: stands twice (line {node.value[index][0].start_mark.line + 1})")
        return super().construct_mapping(node, deep)


def read(path: Path) -> SweepGrid:
    """The grid of a file; of a shipped one the name is enough wherever the command is given.

    Raises:
        UserError: there is no such file, it is no YAML, or it is no sweep; names the file.
    """
    place = SHIPPED / path.name if path.parent.name == "sweeps" and not path.exists() else path
    try:
        found = grid(yaml.load(place.read_text(encoding="utf-8"), Loader=_Strict))
        found.jobs()
        return found
    except OSError as error:
        shipped = ", ".join(sorted(f"sweeps/{each.name}" for each in SHIPPED.glob("*.yaml")))
        raise UserError(f"{path}: {error.strerror}; the sweeps that come with pruneexp are {shipped}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}: is no YAML{where}: {getattr(error, 'problem', None) or error}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def is_file_of_sweep(word: str) -> bool:
    """Whether a word of a command line stands for a sweep: it alone is a path to YAML, and no ``KEY=VALUE``."""
    return word.endswith((".yaml", ".yml")) and "=" not in word


def words(arguments: Sequence[str]) -> list[str]:
    """The command line of ``python -m pruneexp`` that runs the sweep whose file is the first argument."""
    path, *rest = arguments
    found = read(Path(path))  # a mistake in it is said before Hydra is loaded
    if other := [word for word in rest if word.startswith("hydra/sweeper=") and word != "hydra/sweeper=jobs"]:
        raise UserError(f"{other[0]}: the jobs of a file are run by hydra/sweeper=jobs, the usual one")
    named = any(word.startswith("runtime.sweep=") for word in rest)
    name = [] if named else [f"runtime.sweep={text(Path(path).stem)}"]
    return ["-m", f"hydra.sweeper.file={text(path)}", *name, *_choices(found, rest), *rest]


def _choices(found: SweepGrid, rest: Sequence[str]) -> list[str]:
    """What all jobs choose of groups: other words, such as ``data.root=...``, may name keys that only this has."""
    given = {word.partition("=")[0] for word in rest}
    return [f"{key}={text(value)}" for key, value in found.fixed.items() if key in GROUPS and key not in given]
