"""The scan on large networks with many branches: the same bits as whole passes."""

from __future__ import annotations

import pytest
import torchvision

from pruneexp.schema import Budget
from pruneexp.sensitivity.groups import groups
from tests.unit.test_sensitivity_networks import built
from tests.unit.test_sensitivity_scan import agreed, images

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("name", "some"), [("densenet121", slice(70, None, 40)), ("googlenet", slice(9, None, 23))])
def test_networks_with_many_branches(name: str, some: slice) -> None:
    settings = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    net = built(lambda: torchvision.models.get_model(name, num_classes=10, **settings))
    chosen = groups(net)[some]
    outcomes = agreed(net, images(3, (3, 32, 32), 10), [Budget("density", 0.3)], some=chosen)
    assert outcomes.plain == ()
    assert outcomes.loss.flatten(0, 1).unique(dim=0).shape[0] == len(chosen) > 1
