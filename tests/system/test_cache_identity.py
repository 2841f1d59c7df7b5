"""The law of identity: same values, same key, whatever the spelling; any other value, another key."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pruneexp.cache.identity import canonical, checked, plain, short, stage_key

PARENT = "0123456789abcdef" * 4

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
configs = st.dictionaries(st.text(max_size=5), values, max_size=4)


def shuffled(value: Any) -> Any:
    """The same value with every mapping's order reversed and every list a tuple."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return tuple(map(shuffled, value)) if isinstance(value, list) else value


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, index) within a nested value."""
    if isinstance(value, dict | list):
        for index in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, index
            yield from places(value[index])


def test_a_stored_key_is_found_again_by_every_later_version() -> None:
    config = {"lr": 0.1, "epochs": 20, "reg": {"name": "l2", "strength": 5e-4}, "milestones": [0.5, 0.75], "clip": None}
    assert canonical(config) == (
        '{"clip":null,"epochs":20,"lr":0.1,"milestones":[0.5,0.75],"reg":{"name":"l2","strength":0.0005}}'
    )
    golden = "eeaca4711faa8183ad7f31c8eea869dbec85bfacf881436072b104e7b2825ca9"
    assert stage_key("retrain", 3, config, [PARENT], data="d4ta") == golden


@given(configs)
def test_the_order_of_keys_is_irrelevant(config: dict[str, Any]) -> None:
    assert stage_key("dense", 1, shuffled(config), []) == stage_key("dense", 1, config, [])


@given(configs, st.data())
def test_any_value_changed_anywhere_changes_the_key(config: dict[str, Any], data: st.DataObject) -> None:
    changed = copy.deepcopy(config)
    spots = list(places(changed))
    if spots:
        container, index = data.draw(st.sampled_from(spots))
        new = data.draw(values.filter(lambda new: canonical(new) != canonical(container[index])))
        container[index] = new
    else:
        changed["new"] = None
    assert stage_key("dense", 1, changed, []) != stage_key("dense", 1, config, [])


@given(configs, st.data())
def test_a_key_left_out_changes_the_key(config: dict[str, Any], data: st.DataObject) -> None:
    config["other"] = 1
    fewer = dict(config)
    del fewer[data.draw(st.sampled_from(sorted(fewer)))]
    assert stage_key("dense", 1, fewer, []) != stage_key("dense", 1, config, [])


@given(values)
def test_canonical_text_means_the_value(value: Any) -> None:
    assert json.loads(canonical(value)) == plain(value)
    assert canonical(json.loads(canonical(value))) == canonical(value)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (0.0, -0.0, True),
        (1e2, 100, True),
        (1e300, 10**300, False),  # the float nearest to 10**300 is another number
        (0.1, 1e-1, True),
        (0.1, math.nextafter(0.1, 1), False),
        (2**53, 2**53 + 1, False),
        (True, 1, False),
        ("1", 1, False),
        (None, "null", False),
        ((1, 2), [1, 2], True),
        ([1, 2], [2, 1], False),
        ([[1], 2], [1, [2]], False),
        ({"a": {}}, {"a": []}, False),
    ],
)
def test_numbers_are_compared_by_value_and_other_types_by_type(left: Any, right: Any, same: bool) -> None:
    assert (canonical({"x": left}) == canonical({"x": right})) is same


def test_every_part_of_the_identity_counts() -> None:
    other = PARENT[::-1]
    keys = {
        stage_key("prune", 1, {"a": 1}, [PARENT, other], "data"),
        stage_key("retrain", 1, {"a": 1}, [PARENT, other], "data"),
        stage_key("prune", 2, {"a": 1}, [PARENT, other], "data"),
        stage_key("prune", 1, {"a": 2}, [PARENT, other], "data"),
        stage_key("prune", 1, {"a": 1}, [other, PARENT], "data"),
        stage_key("prune", 1, {"a": 1}, [PARENT], "data"),
        stage_key("prune", 1, {"a": 1}, [PARENT, other], "other data"),
    }
    assert len(keys) == 7
    assert all(checked(key) == key for key in keys)
    assert {len(short(key)) for key in keys} == {8}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"reg": {"strength": math.nan}}, r"reg\.strength is nan"),
        ({"milestones": [0.5, -math.inf]}, r"milestones\[1\] is -inf"),
        ({"train": {"steps": [{"at": {1, 2}}]}}, r"train\.steps\[0\]\.at is of type set"),
        ({"root": object()}, "root is of type object"),
        ({"layers": {3: 0.5}}, "layers has the key 3"),
    ],
)
def test_what_has_no_canonical_text_is_refused_by_name(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        stage_key("dense", 1, config, [])


@pytest.mark.parametrize("parents", [PARENT, ["dense"], [PARENT.upper()], [PARENT + "\n"], ["../" + PARENT[3:]]])
def test_parents_must_be_keys(parents: Any) -> None:
    with pytest.raises(ValueError, match=r"key"):
        stage_key("prune", 1, {}, parents)


def test_records_keep_their_numbers_as_they_are() -> None:
    record = {"loss": math.inf, "epochs": 3.0, "layers": ("a", "b")}
    assert repr(plain(record)) == "{'loss': inf, 'epochs': 3.0, 'layers': ['a', 'b']}"
