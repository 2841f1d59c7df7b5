"""Names that people read, and texts that fit MLflow's limits."""

from __future__ import annotations

import hashlib
import posixpath
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pruneexp.tracking.naming import KEY_LIMIT, curve_name, legal_key, point_name, within

IDENTITY = {"model": "lenet5", "reg": "l2", "schedule": "one_shot", "mode": "prune", "seed": 0}


def test_a_curve_is_named_by_what_tells_curves_apart() -> None:
    assert curve_name(IDENTITY) == "l2 · one_shot · prune · seed 0 · lenet5"
    whole = {**IDENTITY, "criterion": "layer_std", "data": "mnist5k"}
    assert curve_name(whole) == "l2 · one_shot · prune · layer_std · seed 0 · lenet5 · mnist5k"


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("density", 0.1, "d=0.10"),
        ("density", 1, "d=1.00"),
        ("density", 0.125, "d=0.125"),
        ("density", 0.0025, "d=0.0025"),
        ("density", 1 / 3, "d=0.3333"),
        ("quality", 1.5, "q=1.50"),
        ("quality", "0.75", "q=0.75"),
    ],
)
def test_a_point_is_named_by_its_budget(kind: str, value: object, shown: str) -> None:
    identity = {**IDENTITY, "budget.kind": kind, "budget.value": value}
    assert point_name(identity) == f"{shown} · l2 · one_shot · prune · seed 0"


def test_what_is_not_known_is_left_out_of_a_name() -> None:
    assert point_name({"mode": "prune"}) == "prune"


def test_a_text_too_long_ends_in_the_hash_of_the_whole() -> None:
    text = "é" * 7000
    cut = within(text, 6000)
    assert len(cut) == 6000
    assert hashlib.sha256(text.encode()).hexdigest()[:16] in cut
    assert within("short", 5) == "short"


@pytest.mark.parametrize("key", ["budget.value", "features.0/w eight-1_x"])
def test_a_legal_key_stays(key: str) -> None:
    assert legal_key(key) == key


keys = st.text(min_size=1, max_size=300) | st.text(alphabet="./a", min_size=1)


@given(keys, keys)
def test_keys_become_legal_and_stay_apart(one: str, other: str) -> None:
    for key in (legal_key(one), legal_key(other)):
        assert re.fullmatch(r"[\w\-./ ]+", key)  # MLflow's own rule, and it takes no key that a path would shorten
        assert posixpath.normpath(key) == key
        assert not key.startswith(("/", ".."))
        assert len(key) <= KEY_LIMIT
    assert (legal_key(one) == legal_key(other)) == (one == other)
