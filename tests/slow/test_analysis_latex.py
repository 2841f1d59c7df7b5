"""Every table that we ship, and harder ones, in documents that LaTeX sets: nothing is wider than its column."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.publishing import catalogue, publish
from analysis.publishing.latex import latex
from analysis.publishing.materials import SOURCES
from analysis.publishing.sheet import Cell, TableSheet
from analysis.records import layer_frames
from analysis.statistics import selection
from pruneexp.schema import LayerRow, TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.points import logged, point, with_settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: apt-get install texlive-latex-extra"),
]

PACKAGES = r"\usepackage{array,booktabs,graphicx}"
DOCUMENTS = {
    "a narrow column": r"\documentclass{article}\usepackage[textwidth=3.3in,textheight=9in]{geometry}",
    "two columns": r"\documentclass[twocolumn]{article}"
    r"\usepackage[textwidth=6.875in,columnsep=0.275in,textheight=9in]{geometry}",
    "a usual page": r"\documentclass{article}",
}


def points() -> list[LoggedPoint]:
    """Points of two networks, one with a long name of a user's, from which every table can be made."""
    made = [
        with_settings(
            point(model=model, reg=reg, schedule=schedule, mode=mode, seed=seed, density=density,
                  after=97.0 - 0.1 * seed - 0.02 / density),
            retrain_epochs=3,
        )
        for model in ("lenet_300_100", "a_network_of_my_own_with_skips")
        for reg in ("l1", "l2")
        for schedule, mode in (("one_shot", "prune"), ("iterative", "prune"), ("one_shot", "scratch_e"),
                               ("one_shot", "scratch_b"), ("one_shot", "rewind"))
        for density in (0.5, 0.1, 0.05)
        for seed in range(3)
    ]  # fmt: skip
    return logged(*made, *(trial(seed) for seed in range(3)))


def trial(seed: int) -> TradeoffPoint:
    searched = point(model="lenet_300_100", criterion="layer_std", seed=seed, density=0.07, after=97.0)
    return with_settings(searched, study="search", trial=seed, retrain_epochs=3, prune_settings=f"q{seed}")


def layered() -> list[LoggedPoint]:
    rows = tuple(
        LayerRow(
            layer=layer, kind="linear", weights_total=102_760_448, weights_kept=10_000, density=0.1,
            density_effective=0.1, flop=205_520_896.0, activation_share=0.385, flop_share=0.042, neurons_total=4096,
            neurons_dead=96, bytes_dense=2000, bytes_sparse=100,
        )
        for layer in ("fc1", "fc2", "encoder.layers.11.self_attention.in_proj_weight")
    )  # fmt: skip
    made = (replace(point(model="lenet_300_100", seed=seed), layers=rows) for seed in range(3))
    return logged(*(replace(one, result=replace(one.result, removed_parameters=5_000)) for one in made))


def shipped() -> Iterator[tuple[str, str]]:
    """Every table by its name, and one beside them of what users may name."""
    for publication in catalogue.publications().values():
        if publication.kind == "table":
            of, source = publication.made_of(), SOURCES[publication.made_of()]
            records = layered() if of == "layers" else points()
            frame = source.part(selection.latest(source.frame(records), source.kind))
            if of == "layers":
                frame = layer_frames.frame(frame, {one.run_id: one.point.layers for one in records})
            yield (
                publication.name,
                publish.files(publication, publication.name, frame, {})[f"{publication.name}.tex"].decode(),
            )
    odd = r"a\b & c_d 50 % #1 {x} ~ ^ < > $ ± × – − ≥ ≤ ≈ → · ε λ μ σ ∞ | é"
    cells = (Cell("an_unreasonably_long_name_of_a_criterion_in_one_word"), Cell("Donaudampfschifffahrtsgesellschaft"),
             *[Cell("61,000,000 ± 12,345,678", bold=True)] * 8)  # fmt: skip
    yield (
        "odd",
        latex(TableSheet(odd, ("Name", odd, *map(str, range(8))), "ll" + "r" * 8, (cells, cells), (odd, "E.")), "odd"),
    )


@pytest.mark.parametrize("document", DOCUMENTS)
def test_nothing_is_wider_than_its_column(document: str, tmp_path: Path) -> None:
    tables = dict(shipped())
    assert {"headline", "claims", "prune_vs_scratch", "allocations", "layers", "odd"} <= tables.keys()
    body = "\\clearpage\n".join(tables.values())
    text = f"{DOCUMENTS[document]}{PACKAGES}\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "tables.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    log = (tmp_path / "tables.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert re.findall(r"Overfull.*|LaTeX Warning: Float too large.*", log) == []
    assert re.search(r"Output written on tables\.pdf \((\d+) pages", log)
