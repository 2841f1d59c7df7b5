"""The promises of every task: a test class inherits ``TaskContract`` and builds its task."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pruneexp.data.dataset import Dataset
from pruneexp.data.tensors import tensor_dataset
from pruneexp.schema import Score, flatten
from pruneexp.tasks.task import Task, TaskByExample, answers


def dataset(inputs: Tensor, targets: Tensor, classes: int | None = None) -> Dataset:
    """A data set whose three splits are the same."""
    pair = inputs, targets
    return tensor_dataset("some", pair, pair, pair, classes)


class TaskContract:
    """Override ``task``, ``data`` (of seven examples or more) and ``network``, which fits the data."""

    @pytest.fixture
    def task(self) -> Task:
        raise NotImplementedError

    @pytest.fixture
    def data(self) -> Dataset:
        raise NotImplementedError

    @pytest.fixture
    def network(self) -> nn.Module:
        raise NotImplementedError

    @pytest.fixture
    def batch(self, data: Dataset) -> tuple[Tensor, Tensor]:
        """All examples of train."""
        return next(iter(data.train.batches(len(data.train), torch.device("cpu"))))

    def test_is_a_task_with_a_primary_metric(self, task: Task) -> None:
        assert isinstance(task, Task)
        assert task.name
        assert task.metrics
        assert len({metric.name for metric in task.metrics}) == len(task.metrics)

    def test_takes_its_own_data(self, task: Task, data: Dataset) -> None:
        task.check(data)

    def test_examples_are_like_the_data_and_come_from_the_generator(
        self, task: Task, data: Dataset, batch: tuple[Tensor, Tensor]
    ) -> None:
        state = torch.get_rng_state()
        drawn = [task.example(data, data.shape, 3, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
        assert torch.equal(torch.get_rng_state(), state)
        for (inputs, targets), real in ((drawn[0], batch),):
            assert (inputs.dtype, inputs.shape) == (real[0].dtype, (3, *data.shape))
            assert (targets.dtype, targets.shape) == (real[1].dtype, (3, *real[1].shape[1:]))
        assert torch.equal(drawn[0][0], drawn[1][0])
        assert not torch.equal(drawn[0][0], drawn[2][0])

    def test_outputs_have_the_form_it_says(
        self, task: Task, data: Dataset, network: nn.Module, batch: tuple[Tensor, Tensor]
    ) -> None:
        shape, words = task.output(data, data.shape)
        assert network(batch[0]).shape == (len(batch[0]), *shape)
        assert words

    def test_the_loss_runs_the_network_and_can_be_differentiated(
        self, task: Task, network: nn.Module, batch: tuple[Tensor, Tensor]
    ) -> None:
        loss, outputs = task.loss(network, *batch)
        loss.backward()
        assert torch.equal(outputs, network(batch[0]))
        assert loss.shape == ()
        assert all(parameter.grad is not None for parameter in network.parameters())

    def test_a_meter_does_not_care_how_examples_are_batched(
        self, task: Task, network: nn.Module, data: Dataset
    ) -> None:
        whole, parts = self._score(task, network, data, len(data.train)), self._score(task, network, data, 3)
        assert flatten(parts) == pytest.approx(flatten(whole), rel=1e-5)
        assert whole.metrics.keys() <= {metric.name for metric in task.metrics}
        assert task.metrics[0].name in whole.metrics

    def test_a_score_has_the_loss_of_training(
        self, task: Task, network: nn.Module, data: Dataset, batch: tuple[Tensor, Tensor]
    ) -> None:
        with torch.no_grad():
            loss = float(task.loss(network, *batch)[0])
        assert self._score(task, network, data, len(data.train)).loss == pytest.approx(loss, rel=1e-5)

    def test_the_score_follows_from_single_examples(
        self, task: Task, network: nn.Module, data: Dataset, batch: tuple[Tensor, Tensor]
    ) -> None:
        if not isinstance(task, TaskByExample):
            return
        score = self._score(task, network, data, len(data.train))
        with torch.no_grad():
            found = task.per_example(network(batch[0]), batch[1])
        assert float(found.loss.double().mean()) == pytest.approx(score.loss, rel=1e-5)
        assert found.values.keys() == score.metrics.keys()
        for metric, values in found.values.items():
            mean = values.double().mean()
            value = 100 * float(mean) if values.dtype == torch.bool else float(task.of_mean(metric, mean))
            assert value == pytest.approx(score[metric], rel=1e-5)
        assert not found.undefined.any()

    def test_outputs_that_are_not_numbers_are_wrong_answers(
        self, task: Task, network: nn.Module, data: Dataset, batch: tuple[Tensor, Tensor]
    ) -> None:
        """Two of the examples: their number is counted, and no metric is better for it, or not a number."""
        with torch.no_grad():
            outputs = answers(task, network, *batch)
        fine = self._metered(task, outputs, batch[1])
        outputs[[1, 4]] = math.nan
        broken = self._metered(task, outputs, batch[1])
        assert (fine.undefined, broken.undefined, broken.images) == (None, 2, len(batch[0]))
        for metric in task.metrics:
            if metric.name in fine.metrics:
                now, was = broken[metric.name], fine[metric.name]
                assert now <= was if metric.direction == "maximize" else now >= was
        if isinstance(task, TaskByExample):
            assert task.per_example(outputs, batch[1]).undefined.nonzero().flatten().tolist() == [1, 4]

    def _score(self, task: Task, network: nn.Module, data: Dataset, size: int) -> Score:
        meter = task.meter()
        with torch.no_grad():
            for inputs, targets in data.train.batches(size, torch.device("cpu")):
                meter.update(answers(task, network, inputs, targets), targets)
        return meter.compute()

    def _metered(self, task: Task, outputs: Any, targets: Tensor) -> Score:
        meter = task.meter()
        meter.update(outputs, targets)
        return meter.compute()
