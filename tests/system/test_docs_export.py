"""Every example of docs/export.md runs as it stands there, one after the other in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pruneexp.pruning.layers import weights
from tests.contracts.commands import called
from tests.contracts.documented import commands, examples
from tests.contracts.records import fresh_store

BLOCKS = examples("export.md")
PYTHON = [block for block in BLOCKS if not commands(block)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the records and the export that the page begins with."""
    folder = tmp_path_factory.mktemp("documented")
    fresh_store(folder)
    for program, *words in commands(BLOCKS[0]):
        done = called(folder, *words, program=program)
        assert done.returncode == 0, done.stderr
    return folder


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, block: str) -> dict[str, object]:
    """The names that a block of Python leaves behind."""
    monkeypatch.chdir(folder)
    script = folder / "example.py"
    script.write_text(block)
    found: dict[str, object] = {"__name__": "example"}
    code = compile(block, str(script), "exec")
    exec(code, found)  # noqa: S102 (the page's own code)
    return found


def kept(network: object, folder: Path) -> bool:
    """Whether the weights that the masks of the export prune are zero, and others are not."""
    assert isinstance(network, torch.nn.Module)
    masks, found = load_file(folder / "pruned" / "masks.safetensors"), weights(network)
    return all(torch.equal(found[name] != 0, mask) for name, mask in masks.items())


def test_the_page_has_these_examples() -> None:
    assert [len(commands(block)) for block in BLOCKS] == [2, 3, 1, 0, 1, 0, 2, 0, 0]


def test_graphs_run_without_the_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="the extra [export] is not installed")
    pytest.importorskip("onnxscript", reason="the extra [export] is not installed")
    [[program, *words]] = commands(BLOCKS[2])
    done = called(folder, *words, program=program)
    assert done.returncode == 0, done.stderr
    logits = run(folder, monkeypatch, PYTHON[0])["logits"]
    assert getattr(logits, "shape", None) == (5, 10)


def test_relative_indices_are_read_without_torch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [[program, *words]] = commands(BLOCKS[4])
    done = called(folder, *words, program=program)
    assert done.returncode == 0, done.stderr
    found = run(folder, monkeypatch, PYTHON[1])["weights"]
    assert isinstance(found, dict)
    written = load_file(folder / "pruned" / "weights.safetensors")
    assert {name: torch.equal(torch.tensor(each), written[name]) for name, each in found.items()} == dict.fromkeys(
        written, True
    )


def test_channels_are_taken_out(folder: Path) -> None:
    for program, *words in commands(BLOCKS[6]):
        done = called(folder, *words, program=program)
        assert done.returncode == 0, done.stderr
    sizes = {len(tensor) for name, tensor in load_file(folder / "small" / "weights.safetensors").items()}
    assert sizes == {10, 25, 250}  # of 20, 50 and 500, and ten classes


def test_masks_are_kept_in_a_plain_loop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept(run(folder, monkeypatch, PYTHON[2])["network"], folder)


def test_masks_are_kept_by_the_trainer_of_lightning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightning", reason="Lightning is not installed; it is no requirement of ours")
    found = run(folder, monkeypatch, PYTHON[3])
    assert kept(getattr(found["module"], "model", None), folder)
    assert getattr(found["trainer"], "global_step", None) == 4


def test_masks_are_kept_by_the_trainer_of_hugging_face(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed; it is no requirement")
    pytest.importorskip("accelerate", reason="the Trainer of transformers needs accelerate, which is not installed")
    import pruneexp

    monkeypatch.chdir(folder)
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=2
    )
    model = transformers.BertForSequenceClassification(config)
    draws = torch.Generator().manual_seed(0)
    masks = {name: torch.rand(weight.shape, generator=draws) < 0.5 for name, weight in weights(model).items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    examples_of_text = [{"input_ids": torch.randint(50, (8,)), "labels": torch.tensor(step % 2)} for step in range(16)]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder / "hf"), num_train_epochs=1, per_device_train_batch_size=4, report_to=[], use_cpu=True,
        save_strategy="no",
    )  # fmt: skip
    trainer = transformers.Trainer(model, arguments, train_dataset=examples_of_text, optimizers=(optimizer, None))
    pruneexp.keep(masks, model, optimizer)
    trainer.train()
    found = weights(model)
    assert all(bool((found[name][~mask] == 0).all()) for name, mask in masks.items())
    assert all(bool((found[name][mask] != 0).any()) for name, mask in masks.items())
