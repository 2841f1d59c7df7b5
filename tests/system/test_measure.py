"""``python -m pruneexp.measure``: recorded points, timed in each form; each form is the network of the point."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean

import pytest
import torch
from torch import nn

from pruneexp.errors import UserError
from pruneexp.experiment.recorded import Surroundings, open_recorded
from pruneexp.export.lookup import find_point
from pruneexp.export.network import PrunedNetwork, pruned_network
from pruneexp.measure import __main__ as command
from pruneexp.measure import measuring
from pruneexp.measure.clock import Busyness, watching
from pruneexp.measure.dead_units import dead_units
from pruneexp.measure.forms import FORMS, GPU_FORMS, NoSuchForm
from pruneexp.measure.gained import metrics
from pruneexp.measure.measuring import MeasureRequest
from pruneexp.measure.memory import peak_of_graph
from pruneexp.pruning.edits.edit import Edit
from pruneexp.schema import MEASURED, read_measurement
from pruneexp.signals import StopRequest
from pruneexp.stages.setting import Regime
from tests.contracts.jobs import ran, runs

QUICK = ("--seconds", "0.01")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with two points, and what the run of each said before anything was measured, by the point's key."""
    made = tmp_path_factory.mktemp("measured")
    ran(made)
    tags = [run.data.tags for run in runs(made)]
    return made, {of["pruneexp.point_key"]: of["mlflow.note.content"] for of in tags}


@pytest.fixture
def folder(recorded: tuple[Path, dict[str, str]]) -> Path:
    return recorded[0]


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> PrunedNetwork:
    folder = tmp_path_factory.mktemp("channels")
    ran(folder, "criterion=channel_magnitude", "curve.densities=[0.1]")
    found = find_point(["density=0.1"], f"sqlite:///{folder}/mlflow.db", [])
    session = open_recorded(found.configuration(), found.identity, Surroundings(folder / "store"), StopRequest())
    return pruned_network(session, found.identity, found.result)


def measure(folder: Path, *words: str) -> int:
    places = ("--tracking-uri", f"sqlite:///{folder}/mlflow.db", "--store", str(folder / "store"))
    return command.main([*words, *places, *QUICK])


@pytest.mark.parametrize("form", [name for name in FORMS if name != "dense"])
def test_every_form_computes_what_the_pruned_network_does(pruned: PrunedNetwork, form: str) -> None:
    inputs = pruned.example(5)
    try:
        found = FORMS[form](pruned).run(inputs)
    except NoSuchForm as left_out:
        assert form in GPU_FORMS or "is not installed" in str(left_out)  # noqa: PT017  the extra, of onnxruntime alone
        return
    with torch.inference_mode():
        expected = pruned.of_data()(inputs)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_other_processes_are_noticed() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            with watching() as busy:
                time.sleep(1.5)
        finally:
            other.kill()
    assert busy.cores > 0.2


def test_compressed_rows_hold_the_weights_that_are_kept(pruned: PrunedNetwork) -> None:
    FORMS["csr"](pruned)
    state = pruned.network.state_dict()  # the point's own network stays as it is
    assert all(state[f"{name}.weight"].layout == torch.strided for name in pruned.masks)


def test_points_are_measured_once_and_their_runs_say_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "times.csv"
    words = ("seed=0", "--form", "dense", "--form", "masked", "--batch", "2", "--csv", str(table))
    assert measure(folder, *words) == 0
    said = capsys.readouterr().out
    assert "10 % of the weights; masked: " in said
    assert "50 % of the weights; masked: " in said
    with table.open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 2 * (2 + 2)
    assert {(row["form"], row["batch"]) for row in rows} == {(f, b) for f in ("dense", "masked") for b in ("2", "")}
    assert all(0 < float(row["low_ms"]) <= float(row["median_ms"]) <= float(row["high_ms"]) for row in rows)
    for run in runs(folder):
        assert {"latency/dense.batch2", "latency/masked.batch2", "step/masked"} <= run.data.metrics.keys()
        kept = read_measurement(run.data.tags[MEASURED])
        assert [(each.form, each.batch) for each in kept.forms] == [
            ("dense", 2), ("masked", 2), ("dense", None), ("masked", None),
        ]  # fmt: skip
        assert kept.forms[0].median == pytest.approx(run.data.metrics["latency/dense.batch2"], rel=1e-4)
        assert kept.forms[0].memory == run.data.metrics["memory/dense.batch2"]
        assert "% of the weights; masked: " in run.data.tags["mlflow.note.content"]
    timed: list[int] = []

    def timing(real: Callable[..., object]) -> Callable[..., object]:
        def count(*given: object) -> object:
            timed.append(1)
            return real(*given)

        return count

    monkeypatch.setattr(measuring, "_timed", timing(measuring._timed))
    assert measure(folder, *words) == 0
    assert capsys.readouterr().out == said
    assert timed == []
    assert measure(folder, *words, "--again") == 0
    assert len(timed) == 2


def test_a_step_of_the_network_without_channels_is_timed(
    pruned: PrunedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[nn.Module] = []

    def noting(real: Callable[..., object]) -> Callable[..., object]:
        def note(of: PrunedNetwork, regime: Regime, network: nn.Module, edit: Edit | None) -> object:
            trained.append(network)
            return real(of, regime, network, edit)

        return note

    monkeypatch.setattr(measuring, "_training", noting(measuring._training))
    before = {name: tensor.clone() for name, tensor in pruned.state.items()}
    found = measuring._timed(pruned, MeasureRequest(("masked", "removed"), (2,), 0.01, step=True), {})
    assert list(found.step) == ["dense", "masked", "removed"]
    assert {"step/dense", "step/masked", "step/removed"} <= metrics(found).keys()
    dense, masked, small = (sum(each.numel() for each in network.parameters()) for network in trained)
    assert small < masked == dense
    assert all(torch.equal(tensor, before[name]) for name, tensor in pruned.state.items())
    without = measuring._timed(pruned, MeasureRequest(("csr",), (2,), 0.01, step=True), {})
    assert list(without.step) == ["dense", "masked"]


@pytest.mark.parametrize(("cores", "doubted"), [(0.9, True), (0.05, False)])
def test_the_command_doubts_times_of_a_busy_machine(
    cores: float, doubted: bool, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "watching", lambda: nullcontext(Busyness(cores)))
    assert measure(folder, "density=0.1", "--form", "masked", "--batch", "2", "--no-step", "--again") == 0
    told = " ".join(capsys.readouterr().err.split())
    assert ("pruneexp: other processes kept 0.9 cores busy meanwhile: times are too long" in told) == doubted
    assert ("cores busy" in told) == doubted


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("density=0.1", "--form", "sparse"),
            "--form sparse: the forms are dense, masked, csr, onnxruntime, removed",
        ),
        (("density=0.1", *["--batch", "1"] * 13), "--batch is given 13 times: 12 at most"),
        ((), "the following arguments are required: POINT; python -m pruneexp.measure --help tells more"),
        (("density=0.1", "--batch", "0"), "--batch 0: a batch holds 1 input or more"),
        (("density=0.1", "--seconds", "0"), "--seconds 0: give more than 0"),
        (("density=0.7",), "no recorded point has density=0.7; the nearest have"),
    ],
)
def test_what_cannot_be_measured_is_said(
    words: Sequence[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ("--tracking-uri", f"sqlite:///{folder}/mlflow.db", "--store", str(folder / "store"))
    assert command.main([*words, *places]) == 2
    assert f"pruneexp.measure: {sentence}" in capsys.readouterr().err


def test_runs_say_what_was_gained_before_anything_is_measured(recorded: tuple[Path, dict[str, str]]) -> None:
    assert len(recorded[1]) == 2
    for key, told in recorded[1].items():
        assert told.endswith(f"; no run measures latency: python -m pruneexp.measure {key[:8]} does")


def test_sizes_count_weights_and_indices(pruned: PrunedNetwork) -> None:
    dense = sum(tensor.nbytes for tensor in pruned.network.state_dict().values())
    assert FORMS["dense"](pruned).size == FORMS["masked"](pruned).size == dense
    kept, rows = pruned.masks.kept, sum(len(pruned.masks[name]) + 1 for name in pruned.masks)
    beside = dense - 4 * pruned.masks.total
    assert FORMS["csr"](pruned).size == beside + 12 * kept + 8 * rows  # values of 4 bytes, indices of 8
    assert FORMS["removed"](pruned).size < dense


def test_a_graph_has_the_memory_of_a_process_of_its_own(pruned: PrunedNetwork) -> None:
    try:
        form = FORMS["onnxruntime"](pruned)
    except NoSuchForm as left_out:
        assert "is not installed" in str(left_out)  # noqa: PT017
        return
    assert form.graph is not None
    small, large = (peak_of_graph(form.graph, pruned.example(count), 1) for count in (1, 5000))
    assert small is not None
    assert large is not None
    assert small > form.size
    assert large - small > pruned.example(5000).nbytes / 4  # what the layers make of so many more
    assert peak_of_graph(form.graph.with_name("none.onnx"), pruned.example(1), 1) is None


@pytest.mark.parametrize("reg", ["none", "l2"])
def test_weights_of_dead_units_are_found_by_their_masks_alone(tmp_path: Path, reg: str) -> None:
    ran(tmp_path, "criterion=global_magnitude", f"reg={reg}", "curve.densities=[0.02]", "retrain.epochs=2")
    found = find_point(["seed=0"], f"sqlite:///{tmp_path}/mlflow.db", [])
    session = open_recorded(found.configuration(), found.identity, Surroundings(tmp_path / "store"), StopRequest())
    pruned = pruned_network(session, found.identity, found.result)
    dense, after = session.store.load(found.identity.dense_key), pruned.state
    assert dense is not None
    first, second, third = (pruned.masks[name] for name in ("fc1", "fc2", "fc3"))
    read = [(second & (third.any(0))[:, None]).any(0), third.any(0), torch.ones(len(third), dtype=torch.bool)]
    fed = [torch.ones(first.shape[1], dtype=torch.bool), first.any(1), (second & first.any(1)).any(1)]
    expected: dict[str, list[tuple[float, float]]] = {"live": [], "into unread": [], "out of constant": []}
    for name, mask, is_read, is_fed in zip(("fc1", "fc2", "fc3"), (first, second, third), read, fed, strict=True):
        for at in mask.nonzero().tolist():
            which = "into unread" if not is_read[at[0]] else "live" if is_fed[at[1]] else "out of constant"
            sizes = (abs(float(state[f"{name}.weight"][tuple(at)])) for state in (dense.tensors, after))
            expected[which].append((next(sizes), next(sizes)))
    for which, weights, before, then in dead_units(pruned, found.identity):
        assert weights == len(expected[which]) > 0
        assert (before, then) == pytest.approx(tuple(map(fmean, zip(*expected[which], strict=True))))
        if which == "into unread":
            assert then == before if reg == "none" else then < before


def test_where_every_channel_is_read_none_is_removed(tmp_path: Path) -> None:
    ran(tmp_path, "curve.densities=[0.9]")
    found = find_point(["seed=0"], f"sqlite:///{tmp_path}/mlflow.db", [])
    session = open_recorded(found.configuration(), found.identity, Surroundings(tmp_path / "store"), StopRequest())
    with pytest.raises(NoSuchForm, match="some kept weight reads every channel of the network"):
        FORMS["removed"](pruned_network(session, found.identity, found.result))


def test_a_network_without_pruned_linear_layers_has_no_compressed_rows(tmp_path: Path) -> None:
    ran(tmp_path, "model=lenet5", "data.image_size=16", "criterion.layers=[conv]", "curve.densities=[0.5]")
    found = find_point(["seed=0"], f"sqlite:///{tmp_path}/mlflow.db", [])
    session = open_recorded(found.configuration(), found.identity, Surroundings(tmp_path / "store"), StopRequest())
    with pytest.raises(NoSuchForm, match="no linear layer of the network is pruned"):
        FORMS["csr"](pruned_network(session, found.identity, found.result))
    with pytest.raises(UserError):
        find_point(["seed=1"], f"sqlite:///{tmp_path}/mlflow.db", [])
