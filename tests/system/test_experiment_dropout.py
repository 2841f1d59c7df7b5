"""Drop rates of whole jobs, of networks that drop in unusual ways."""

from __future__ import annotations

import pytest
import torch

from pruneexp.errors import UserError
from tests.contracts.jobs import built

OWN = "runtime.allow=[tests]"
SHARED = (OWN, "model._target_=tests.contracts.dropping.Shared")
FUNCTIONAL = (OWN, "model._target_=tests.contracts.dropping.Functional")


@pytest.mark.parametrize(("kind", "policy"), [("F", "none"), ("lstm", "scaled")])
def test_functional_dropout_is_refused_when_the_job_is_built(kind: str, policy: str) -> None:
    state = torch.get_rng_state()
    with pytest.raises(UserError, match=rf"^dropout={policy} cannot reach the functional dropout in Functional") as e:
        built(*FUNCTIONAL, f"+model.kind={kind}", f"dropout={policy}")
    assert str(e.value).endswith("; use dropout=fixed or an nn.Dropout")
    assert torch.equal(torch.get_rng_state(), state)
