"""Pages as a browser shows them: links lead to files that are there, and tables have their header."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.test_docs_quoting import PAGES


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_and_tables_have_no_gap(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    linked = {address.partition("#")[0] for address in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in address}
    assert [address for address in linked if not (path.parent / address).exists()] == []
    assert re.findall(r"(?:^|\n)[^|\n]*\n(\|.*)\n(?!\|[ :|-]+\|\n)", text) == []
