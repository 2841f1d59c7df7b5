"""Layers that are called by numbers, as in a bare ``nn.Sequential``, wherever a configuration names layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.experiment.build import Job
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.allotment import Allotment
from pruneexp.pruning.allowance import Allowance
from pruneexp.pruning.masks import MaskSet
from tests.contracts.composing import small
from tests.contracts.jobs import job_of


def numbered() -> nn.Sequential:
    """Layers "1", "3.0" to "3.10", "1_000", "true" and "13"."""
    inner = nn.Sequential(*(nn.Linear(8, 8) for _ in range(11)))
    network = nn.Sequential(nn.Flatten(), nn.Linear(144, 8), nn.ReLU(), inner)
    for name, width in (("1_000", 8), ("true", 8), ("13", 4)):
        network.add_module(name, nn.Linear(8, width))
    return network


@dataclass(frozen=True)
class Sparing:
    """An allocation that a user wrote."""

    spared: Sequence[str] | None = None
    factors: Mapping[str, list[float]] = field(default_factory=dict)
    rates: Sequence[float] = ()
    title: str = ""

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment:
        return PerLayer(exempt=self.spared or ())(weights, scores, survivors, allowance)


def built(tmp_path: Path, *words: str, **allocation: Any) -> tuple[Job, Any]:
    """The job of a network with numbered layers, and how its allocation is recorded."""
    config, choices = small(tmp_path, "criterion=layer_magnitude", *words)
    config.model = {"_target_": f"{__name__}.numbered"}
    if allocation:
        config.criterion.allocation = {"_target_": f"{__name__}.Sparing", **allocation}
    job = job_of(config, choices, [__name__])
    return job, OmegaConf.create(job.spec.yaml()).criterion.allocation


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("1", "1"),
        ("13", "13"),
        ("3.0", "3.0"),
        ("'3.10'", "3.10"),
        ("1_000", "1_000"),
        ("true", "true"),
    ],
)
def test_a_name_is_text_as_it_was_typed(tmp_path: Path, typed: str, meant: str) -> None:
    job, recorded = built(tmp_path, f"criterion.allocation.exempt=[{typed}]")
    quoted, _ = built(tmp_path, f"criterion.allocation.exempt=['{meant}']")
    assert list(job.setting.cut.value.allocation.exempt) == list(recorded.exempt) == [meant]  # type: ignore[attr-defined]
    assert [step.key for step in job.routes[0].steps] == [step.key for step in quoted.routes[0].steps]
    if "'" not in typed:
        job, recorded = built(tmp_path, f"+criterion.allocation.scale={{{typed}: 2}}")
        assert dict(job.setting.cut.value.allocation.scale) == dict(recorded.scale) == {meant: 2}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("criterion.allocation.exempt=[5]", "exempt names unknown layers 5; layers are 1, 3.0, "),
        ("+criterion.allocation.scale={0.5: 2}", "scale names unknown layers 0.5; layers are 1, 3.0, "),
        (
            "criterion.allocation.exempt=[3.1]",
            "criterion.allocation.exempt: 3.1 can be 3.1 or 3.10; in a file, a",
        ),
        ("criterion.allocation.exempt=13", "criterion.allocation.exempt=13: allowed is a list of names, as in"),
        ("criterion.allocation.exempt='13'", "criterion.allocation.exempt=13: allowed is a list of names, as in"),
        (
            "criterion.allocation.scale=13",
            "criterion.allocation.scale=13: allowed is a mapping, as in 'criterion.allocation.scale={1: 0.5}'",
        ),
    ],
)
def test_what_names_no_layer_is_said(tmp_path: Path, word: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        built(tmp_path, word)
    assert str(caught.value).startswith(told)


def test_an_allocation_of_the_users_is_given_text_where_it_asks_for_it(tmp_path: Path) -> None:
    job, _ = built(tmp_path, spared=[1, 3.0], factors={13: [1, 2.5]}, rates=[1, 0.5], title="x")
    assert job.setting.cut.value.allocation == Sparing(["1", "3.0"], {"13": [1, 2.5]}, [1, 0.5], "x")
    assert built(tmp_path, spared=None)[0].setting.cut.value.allocation == Sparing()
