"""docs/results.md says what the kept records say: `make results` would change no table, and each picture is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.records import draw


def test_tables_are_those_of_the_kept_records() -> None:
    assert draw.pages("--check") == 0


def test_a_table_that_differs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (draw.DOCS / "results.md").read_text(encoding="utf-8")
    block = page[page.index("<!-- [[[cog") :].partition("[[[end]]] -->")[0] + "[[[end]]] -->\n"
    monkeypatch.setattr(draw, "DOCS", tmp_path)
    for text, status in ((block, 0), (block.replace("holds", "fails"), 5)):
        (tmp_path / "results.md").write_text(text, encoding="utf-8")
        assert draw.pages("--check") == status


def test_pictures_of_the_page_are_drawn_from_kept_records() -> None:
    page = (draw.DOCS / "results.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(pictures/(\w+\.png)\)", page)) <= set(draw.PICTURES)
    assert [name for name in draw.PICTURES if not (draw.DOCS / "pictures" / name).exists()] == []
    kept = {path.stem for path in draw.RECORDS.glob("*.parquet")}
    assert {records for records, _ in draw.PICTURES.values()} <= kept
