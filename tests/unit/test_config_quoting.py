"""Folders and other text on their way through Hydra's grammar arrive as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from pruneexp.config import skeleton
from pruneexp.config.sweep import check_command
from pruneexp.config.words import quoted

#: What has a meaning in Hydra's grammar, and what stands for all the rest.
PATHS = st.text(st.sampled_from("\\'\"${}[],:=~ aé#%"), min_size=1, max_size=12)
FOLDERS = ("it's mine", 'say "hi"', "back\\slash", "ends\\", "a, b=[c]", "\\${x}", "50%#1", "größe")


@given(PATHS)
def test_quoted_text_stands_for_its_own_characters(text: str) -> None:
    (override,) = OverridesParser.create().parse_overrides([f"key={quoted(text)}"])
    assert override.value() == text


@pytest.mark.parametrize("name", FOLDERS)
def test_choices_are_found_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    choice = tmp_path / name / "model" / "mine.yaml"
    choice.parent.mkdir(parents=True)
    choice.write_text("_target_: pruneexp.models.lenet.LeNet300100\nnum_classes: 7\nchannels: 1\nimage_size: 12\n")
    skeleton.register()
    with initialize_config_dir(str(skeleton.conf_folder()), version_base="1.3"):
        assert compose("config", [*skeleton.search_path([tmp_path / name]), "model=mine"]).model.num_classes == 7
    check_command(["--config-dir", str(tmp_path / name), "-m", "model=mine", "seed=0,1"])


def test_choices_are_found_in_each_of_several_folders(tmp_path: Path) -> None:
    for name in ("one", "two"):
        choice = tmp_path / name / "reg" / f"{name}.yaml"
        choice.parent.mkdir(parents=True)
        choice.write_text(f"train: {name}\nretrain: null\n")
    skeleton.register()
    with initialize_config_dir(str(skeleton.conf_folder()), version_base="1.3"):
        lines = skeleton.search_path([tmp_path / "one", tmp_path / "two"])
        assert [compose("config", [*lines, f"reg={name}"]).reg.train for name in ("one", "two")] == ["one", "two"]
    assert skeleton.search_path([]) == []
