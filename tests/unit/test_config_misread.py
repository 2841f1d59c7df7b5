"""Typical mistakes of people who do not know the command yet: each sentence says what to write."""

from __future__ import annotations

import re

import pytest

from pruneexp.config.choices import known_choices, unknown_choice
from pruneexp.config.keys import setting
from pruneexp.config.meant import meant_by
from pruneexp.config.misread import FLAGS, check_words
from pruneexp.config.values import several_values, wrong_value
from pruneexp.errors import UserError

#: Words that are neither a flag nor KEY=VALUE, and what is said of them.
WORDS = [
    ("reg = l1", "reg: write reg=l1, without spaces around ="),
    ("reg =l1", "reg: write reg=l1, without spaces around ="),
    ("reg= l1", "reg= l1: write reg=l1, without a space"),
    ("reg l1", "reg: write reg=l1, one of l1, l1_and_l2, l1_then_l2, l2, none, "),
    ("reg:l1", "reg:l1: write reg=l1"),
    ("reg.l1", "reg.l1: write reg=l1"),
    ("reg/l1", "reg/l1: write reg=l1"),
    ("reg=l1 l2", "l2: write -m reg=l1,l2 for a job of each"),
    ("-m reg=l1, l2", "l2: write reg=l1,l2, without spaces"),
    ("-m reg=l1 ,l2", ",l2: write reg=l1,l2, without spaces"),
    ("curve.densities=[0.5, 0.1]", "0.1]: write 'curve.densities=[0.5,0.1]', without spaces"),
    ("curve.densities=[0.5 0.2 0.1]", "0.2: write 'curve.densities=[0.5,0.2,0.1]', without spaces"),
    ("lenet5", "lenet5: write model=lenet5 or experiment=han2015/lenet5"),
    ("demo", "demo: write experiment=demo"),
    ("tradeoff", "tradeoff: write experiment=han2015/tradeoff"),
    ("conf/experiment/demo.yaml", "conf/experiment/demo.yaml: write experiment=demo"),
    ("sweeps/mine.yaml", "sweeps/mine.yaml: a sweep's file is run by python -m sweeps sweeps/mine.yaml"),
    ("train.lr:0.1", "train.lr:0.1: write train.lr=0.1"),
    ("train.epochs", "train.epochs: write train.epochs=VALUE"),
    ("lr 0.1", "lr: write train.lr=0.1"),
    ("plan", "plan: write plan=true"),
    ("help", "help: write --help"),
    ("m reg=l1,l2", "m: write -m"),
    ("lenet", "lenet: neither GROUP=CHOICE nor KEY=VALUE; --help lists them (did you mean lenet5?)"),
    ("--reg=l1", "--reg=l1: keys have no dashes before them: write reg=l1"),
    ("--seed 1", "--seed: keys have no dashes before them: write seed=1"),
    ("--epochs 5", "--epochs: keys have no dashes before them: write train.epochs=5 or retrain.epochs=5"),
    ("--sparsity 0.9", "--sparsity: keys have no dashes before them: write 'curve.densities=[0.1]', as density = 1"),
    ("--multirn reg=l1", "--multirn: no such flag; there are --help, -m, --multirun, --config-dir (did you mean --m"),
    ("-multirun reg=l1", "-multirun: no such flag (did you mean --multirun?)"),
    ("--dry-run", "--dry-run: no such flag (did you mean plan=true?)"),
    ("-v", "-v: no such flag; there are --help, -m, --multirun, --config-dir"),
]

#: Keys that there are not, their values, and how they should be written.
KEYS = [
    ("lr", "0.1", "train.lr=0.1"),
    ("optimizer", "adam", "train.optimizer=adam"),
    ("epochs", "5", "train.epochs=5 or retrain.epochs=5"),
    ("train.learning_rate", "0.1", "train.lr=0.1"),
    ("retrain.lr", "0.1", "retrain.lr_factor=0.1"),
    ("finetune.epochs", "3", "retrain.epochs=3"),
    ("rounds", "3", "schedule.rounds=3"),
    ("strength", "0.1", "reg.strength=0.1"),
    ("weight_decay", "1e-4", "reg=weight_decay reg.strength=1e-4"),
    ("network", "lenet5", "model=lenet5"),
    ("dataset", "mnist", "data=mnist"),
    ("pruning", "random", "criterion=random"),
    ("gpu", "0", "device=cuda"),
    ("density", "0.1", "'curve.densities=[0.1]'"),
    ("sparsity", "90%", "'curve.densities=[0.1]', as density = 1 - sparsity"),
    ("sparsities", "[50,75]", "'curve.densities=[0.5,0.25]', as density = 1 - sparsity"),
    ("store", None, "runtime.store"),
    ("epsilon", "1", "study.epsilon=1"),
    ("nonsense", "1", None),
]

#: Values that a typed key does not take, and the end of what is said of each.
VALUES = [
    ("curve.densities", "10%", "allowed is a list of numbers, or null; write 'curve.densities=[0.1]'"),
    ("curve.densities", "0.1 0.2", "allowed is a list of numbers, or null; write 'curve.densities=[0.1,0.2]'"),
    ("curve.densities", "a", "allowed is a list of numbers, or null"),
    ("seed", "0..4", "allowed is a whole number; -m 'seed=range(0,5)' runs a job for each"),
    ("seed", "[0, 1, 2]", "allowed is a whole number; -m seed=0,1,2 runs a job for each"),
    ("train.clip", "None", "allowed is a number, or null; write train.clip=null"),
    ("train.lr", "5%", "allowed is a number; write train.lr=0.05"),
    ("train.nesterov", "maybe", "allowed is true or false"),
    ("train.optimizer", "Adam", "allowed is one of sgd, adam, adamw (did you mean adam?)"),
    (
        "device",
        "cuda:1",
        "allowed is one of auto, cpu, cuda; CUDA_VISIBLE_DEVICES=1 before the command chooses the GPU",
    ),
    ("runtime.allow", "mine", "allowed is a list; write 'runtime.allow=[mine]'"),
]

#: Choices that a group does not have, and the end of what is said of each.
CHOICES = [
    ("experiment", "tradeoff", " (did you mean han2015/tradeoff or language/tradeoff?)"),
    ("experiment", "dmeo", " (did you mean demo?)"),
    ("experiment", "rethinking/l1norm/vgg16a", " (did you mean rethinking/l1_norm/vgg16_a?)"),
    ("model", "LeNet5", " (did you mean lenet5?)"),
    ("model", "conf/model/lenet5.yaml", " (did you mean lenet5?)"),
    ("model", "./net.py", "; one of your own is FOLDER/model/NAME.yaml, which --config-dir FOLDER adds"),
    ("criterion", "magnitude", " (did you mean global_magnitude?)"),
    ("criterion", "l1", "; there is reg=l1"),
    ("schedule", "cosine", "; there is train.schedule=cosine"),
    ("train", "adam", "; there is train.optimizer=adam"),
    ("mode", "finetune", " (did you mean prune?)"),
    ("reg", "l1 l2", "; -m reg=l1,l2 runs a job for each"),
    ("reg", "l3", "weight_decay"),
]


@pytest.mark.parametrize(("line", "start"), WORDS, ids=[line for line, _ in WORDS])
def test_a_misread_word_is_mended(line: str, start: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(start)}"):
        check_words(line.split())


@pytest.mark.parametrize(
    "line", ["-m reg=l1,l2 ~train +a.b=1", "--config-dir mine model=mine", "reg= seed=1", "-cd=mine", ""]
)
def test_words_that_can_be_read_pass(line: str) -> None:
    check_words(line.split())
    assert "--config-dir" in FLAGS


@pytest.mark.parametrize(("key", "value", "meant"), KEYS, ids=[key for key, _, _ in KEYS])
def test_a_key_of_another_place_is_found(key: str, value: str | None, meant: str | None) -> None:
    assert meant_by(key, value, ("epochs", "lr_factor", "schedule")) == meant


@pytest.mark.parametrize(("key", "text", "end"), VALUES, ids=[f"{key}={text}" for key, text, _ in VALUES])
def test_a_value_of_another_kind_is_mended(key: str, text: str, end: str) -> None:
    assert wrong_value(key, text) == f"{key}={text}: {end}"


def test_a_key_that_the_skeleton_leaves_open_is_not_judged() -> None:
    assert wrong_value("model.width", "abc") is None
    assert several_values("reg", "l1,l2") is None
    assert several_values("train.momentum", "0,9") == (
        "a number has a point, train.momentum=0.9; of two values, -m runs a job for each"
    )


@pytest.mark.parametrize(("group", "choice", "end"), CHOICES, ids=[f"{group}={choice}" for group, choice, _ in CHOICES])
def test_the_choice_that_was_meant_is_named(group: str, choice: str, end: str) -> None:
    said = unknown_choice(group, choice, [])
    assert (
        said
        == f"{group}={choice}: no such choice; the choices of {group} are {', '.join(known_choices((), group))}"
        + ("" if choice == "l3" else end)
    )


def test_settings_are_quoted_where_a_shell_reads_them() -> None:
    assert setting("seed", 0) == "seed=0"
    assert setting("curve.densities", [0.5, 0.1]) == "'curve.densities=[0.5,0.1]'"
    assert setting("runtime.tags", {"paper": "mine", "n": 1}) == "'runtime.tags={paper: mine,n: 1}'"
    assert (setting("train.clip", None), setting("plan", True)) == ("train.clip=null", "plan=true")


def test_a_network_of_a_library_is_chosen_by_its_name() -> None:
    said = unknown_choice("model", "torchvision.models.resnet18", ["torchvision", "timm"])
    assert said.endswith("; a network of torchvision or timm is model=torchvision model.name=resnet18")
