"""What every figure and table keeps to. A test of one inherits the suite and says which, and from what points.

class TestTradeoff(FigureContract):
    name = "tradeoff"
    records = staticmethod(study)
"""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, ClassVar, get_args

import pandas as pd
import pytest

from analysis.drawing.style import SIZES, Width, applied
from analysis.publishing import catalogue, publish
from analysis.publishing.materials import SOURCES
from analysis.publishing.numbers import runs_of
from analysis.records import frames, layer_frames, measured_frames
from analysis.records.runs import LoggedScan
from analysis.statistics import selection
from pruneexp.errors import UserError
from pruneexp.schema import LayerWeights, MeasuredPoint, Retraining
from pruneexp.schema.columns import LoggedPoint

#: Frames, and what is made of them, by the suite that they are of.
_FRAMES: dict[type, pd.DataFrame] = {}
_MADE: dict[type, Any] = {}


class PublicationContract:
    """Common to figures and tables.

    ``records`` gives logged points or scans, whichever it is made of, that it can show; of one network for a figure.
    ``measured`` is what was measured of them, ``weights`` how their weights are distributed, and
    ``courses`` their scores by epoch and ``retrainings`` what retraining did to them, by run.
    """

    name: ClassVar[str]
    kind: ClassVar[catalogue.Kind]
    records: ClassVar[Callable[[], Sequence[LoggedPoint] | Sequence[LoggedScan]]]
    measured: ClassVar[Mapping[str, MeasuredPoint]] = {}
    weights: ClassVar[Mapping[str, Sequence[LayerWeights]]] = {}
    courses: ClassVar[Mapping[str, Mapping[int, float]]] = {}
    retrainings: ClassVar[Mapping[str, Retraining]] = {}

    @classmethod
    def publication(cls) -> catalogue.Publication:
        return catalogue.publications()[cls.name]

    @classmethod
    def module(cls) -> ModuleType:
        return cls.publication().module()

    @classmethod
    def frame(cls) -> pd.DataFrame:
        if cls not in _FRAMES:
            _FRAMES[cls] = cls.framed(cls.records())
        return _FRAMES[cls].copy()

    @classmethod
    def framed(cls, records: Sequence[Any]) -> pd.DataFrame:
        material = cls.publication().made_of()
        source = SOURCES[material]
        frame = selection.latest(source.frame(records), source.kind)
        if material == "layers":
            return layer_frames.frame(frame, {logged.run_id: logged.point.layers for logged in records})
        if material == "weights":
            return layer_frames.weights(frame, cls.weights)
        if material == "courses":
            return frames.with_courses(frame, cls.courses)
        if material == "retrainings":
            return frames.with_retrainings(frame, cls.retrainings)
        if material == "points" and cls.measured:
            return measured_frames.beside(frame, cls.measured)
        if material == "forms":
            return measured_frames.forms(frame, cls.measured)
        return frame

    @classmethod
    def shuffled(cls, seed: int) -> pd.DataFrame:
        records = list(cls.records())
        random.Random(seed).shuffle(records)
        return cls.framed(records)

    @classmethod
    def made(cls) -> Any:
        if cls not in _MADE:
            _MADE[cls] = cls.module().data(cls.frame())
        return _MADE[cls]

    @classmethod
    def runs(cls) -> tuple[str, ...]:
        made = cls.made()
        return cls.publication().runs(made, cls.publication().rows(made))

    @pytest.fixture(scope="class")
    @classmethod
    def files(cls) -> dict[str, bytes]:
        return publish.files(cls.publication(), cls.name, cls.frame(), {})

    def test_is_found_by_its_file_name(self) -> None:
        assert self.publication().kind == self.kind
        assert self.publication().summary.endswith(".")
        assert self.module().__name__.endswith(f".{self.name}")

    def test_options_have_a_type_a_help_and_a_default(self) -> None:
        for parameter in catalogue.options(self.module().data).values():
            assert len(parameter.annotation.__metadata__) == 1
            assert parameter.default is not parameter.empty

    def test_data_does_not_depend_on_the_order_of_logging(self) -> None:
        assert self.module().data(self.shuffled(0)) == self.made()

    def test_data_leaves_the_frame_alone(self) -> None:
        frame = self.frame()
        before = frame.copy(deep=True)
        self.module().data(frame)
        pd.testing.assert_frame_equal(frame, before)

    def test_nothing_to_show_is_one_sentence(self) -> None:
        with pytest.raises(UserError, match=r"^[^\n]+\.$"):
            self.module().data(self.framed([]))

    def test_rows_are_flat_and_say_their_runs(self) -> None:
        rows = self.publication().rows(self.made())
        assert len({tuple(row) for row in rows}) == 1
        assert list(rows[0])[-1] == "runs"
        known = set(self.frame()["run_id"])
        named = runs_of(rows)
        assert named
        assert named <= set(self.runs()) <= known
        assert list(self.runs()) == sorted(self.runs())

    def test_files_are_the_same_bytes_every_time(self, files: dict[str, bytes]) -> None:
        assert publish.files(self.publication(), self.name, self.shuffled(1), {}) == files

    def test_files_say_what_they_were_made_from(self, files: dict[str, bytes]) -> None:
        record = json.loads(files[f"{self.name}.provenance.json"])
        assert [run["run_id"] for run in record["runs"]] == list(self.runs())
        assert record["files"] == {
            name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name in record["files"]
        }
        assert {f"{self.name}.provenance.json", *record["files"]} == set(files)
        for name, content in files.items():
            if not name.endswith(".csv"):  # a CSV stays plain: it has the run ids as a column
                assert record["config_hash"].encode() in content, name

    def test_csv_is_plain(self, files: dict[str, bytes]) -> None:
        loaded = pd.read_csv(io.BytesIO(files[f"{self.name}.csv"]))
        rows = self.publication().rows(self.made())
        assert list(loaded.columns) == list(rows[0])
        assert len(loaded) == len(rows)


class FigureContract(PublicationContract):
    kind = "figure"

    def test_picture_is_drawn_from_the_data_alone(self) -> None:
        from matplotlib.figure import Figure

        made = self.made()
        drawn = self.module().draw(made)
        assert isinstance(drawn, Figure)
        assert drawn.axes
        assert made == self.made()

    def test_caption_is_sentences(self) -> None:
        caption = self.module().caption(self.made())
        assert caption.endswith(".")
        assert "\n" not in caption

    @pytest.mark.parametrize("width", get_args(Width))
    def test_picture_is_of_the_width_that_is_asked_for(self, width: Width) -> None:
        with applied(width):
            drawn = self.module().draw(self.made())
        assert drawn.get_figwidth() == SIZES[width].width
        sizes = {label.get_size() for axes in drawn.axes for label in axes.get_xticklabels()}
        assert min(sizes) > 0.8 * SIZES[width].type

    def test_formats_are_those_that_are_asked_for(self) -> None:
        files = publish.files(self.publication(), self.name, self.frame(), {"format": "pdf", "width": "column"})
        assert [name for name in files if name.endswith(("pdf", "png", "svg"))] == [f"{self.name}.pdf"]
        assert files[f"{self.name}.pdf"].startswith(b"%PDF")

    def test_pictures_carry_the_run_ids(self, files: dict[str, bytes]) -> None:
        for name in (f"{self.name}.png", f"{self.name}.svg"):
            for run in self.runs():
                assert run.encode() in files[name]
        assert files[f"{self.name}.png"].startswith(b"\x89PNG")


class TableContract(PublicationContract):
    kind = "table"

    def test_sheet_is_rectangular(self) -> None:
        sheet = self.module().sheet(self.made())
        assert {len(sheet.header), len(sheet.align)} == {len(row) for row in sheet.rows}
        assert set(sheet.align) <= set("lrc")
        assert all(note.endswith(".") for note in sheet.notes)
