"""What one job is asked to do, in plain values: the door behind which there is no composed configuration any more.

Nothing is instantiated here, and no torch is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from pruneexp.config import checks
from pruneexp.config.skeleton import Config, RuntimeConfig
from pruneexp.errors import UserError
from pruneexp.schema import Budget

#: What every choice of these groups has, a third party's too; the skeleton's own keys are always there.
_NEEDED = (
    "model._target_",
    "data._target_",
    "reg.train",
    "reg.retrain",
    "criterion.score",
    "criterion.allocation._target_",
)


@dataclass(frozen=True)
class JobSpec:
    """One job as it was asked for, every reference resolved.

    ``values`` is the whole configuration, enumerations by their names; ``choices`` names the option of each group;
    ``own`` are modules of the user's that a ``_target_`` may name. ``written`` is the configuration before references
    were resolved, from which the same job with another seed is read.
    """

    values: Mapping[str, Any]
    runtime: RuntimeConfig
    budgets: tuple[Budget, ...]
    choices: Mapping[str, str]
    own: tuple[str, ...]
    written: dict[Any, Any]

    @property
    def seed(self) -> int:
        return int(self.values["seed"])

    @property
    def plan(self) -> bool:
        """Whether the plan alone is wanted."""
        return bool(self.values["plan"])

    @property
    def start_from(self) -> str | None:
        """The file of weights that dense training starts from, if any."""
        found: str | None = self.values["train"]["start_from"]
        return found

    @property
    def lr_factor(self) -> float:
        """What the penalty multiplies every learning rate by; a penalty that does not say leaves it as it is."""
        return float(self.values["reg"].get("lr_factor", 1.0))

    @property
    def start_from_except(self) -> list[str]:
        """Names of parameters, or beginnings of them, that do not start from that file."""
        found: list[str] = self.values["train"]["start_from_except"]
        return found

    @property
    def allowed(self) -> tuple[str, ...]:
        """The packages that a ``_target_`` may name."""
        return (*checks.ALLOWED_TARGETS, *self.runtime.allow, *self.own)

    def seeded(self, seed: int) -> JobSpec:
        """The same job with another seed, wherever the configuration refers to it."""
        return self._with({"seed": seed})

    def counting(self, classes: int) -> JobSpec:
        """The same job with ``data.info.classes``, wherever the configuration refers to it."""
        return self._with({"data": {"info": {"classes": classes}}})

    def _with(self, changes: Mapping[str, Any]) -> JobSpec:
        config = OmegaConf.merge(OmegaConf.structured(Config), self.written, changes)
        return read(cast(DictConfig, config), self.choices, self.own)

    def allocating(self, allocation: Mapping[str, Any]) -> JobSpec:
        """The same job with other values at ``criterion.allocation``."""
        criterion = {**self.values["criterion"], "allocation": allocation}
        return replace(self, values={**self.values, "criterion": criterion})

    def yaml(self) -> str:
        """The whole configuration, as it is recorded."""
        return OmegaConf.to_yaml(OmegaConf.create(dict(self.values)))


def read(config: DictConfig, choices: Mapping[str, str], own: Sequence[str] = ()) -> JobSpec:
    """Take a composed configuration that ``checks.validate`` has passed.

    Raises:
        UserError: a key is missing that every choice of its group needs, or the budgets are unusable.
    """
    values: dict[str, Any] = checks.plain(config)
    for path in _NEEDED:
        node: Any = values
        for name in path.split("."):
            if not isinstance(node, dict) or name not in node:
                raise UserError(f"{path} is missing: every choice of {path.partition('.')[0]} needs it")
            node = node[name]
    return JobSpec(
        values=values,
        runtime=cast(RuntimeConfig, OmegaConf.to_object(config.runtime)),
        budgets=checks.budgets(config),
        choices={**choices, **_names(values)},
        own=tuple(own),
        written=cast(dict[Any, Any], OmegaConf.to_container(config, resolve=False)),
    )


def _names(values: Mapping[str, Any]) -> dict[str, str]:
    """What a network or a data set goes by in records where its choice leaves that open: its ``name``."""
    named = {group: values[group].get("name") for group in ("model", "data")}
    return {group: name for group, name in named.items() if isinstance(name, str) and name}
