"""What commands print where the terminal is narrow, or knows few characters."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence

import pytest

from analysis.__main__ import main as analysis
from pruneexp.__main__ import main as pruneexp
from pruneexp.dashboard import main as dashboard
from pruneexp.experiment.display import Display
from pruneexp.status import main as status
from pruneexp.store.__main__ import main as store
from sweeps.__main__ import main as sweeps


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (pruneexp, ["model='größe·√2\udcff'"]),
        (sweeps, ["study='größe·√2\udcff'"]),
        (analysis, ["tradeoff", "--where", "größe·√2\udcff=1", "--tracking-uri", "sqlite:///größe·√2\udcff"]),
        (status, ["größe·√2\udcff"]),
        (store, ["ls", "--store", "größe·√2\udcff"]),
        (dashboard, ["--tracking-uri", "sqlite:///größe·√2\udcff/x.db"]),
    ],
)
def test_what_cannot_be_written_is_replaced(
    command: Callable[[Sequence[str]], int], arguments: Sequence[str], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(written, encoding=encoding, write_through=True))
    monkeypatch.setattr(sys, "argv", ["pruneexp"])
    assert command(arguments) == 2
    assert "gr" in written.getvalue().decode(encoding)


def test_numbers_are_whole_however_narrow_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    file = io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    rows = [(f"{number}.123456789", f"{number}.987654321", "encoder.layers.0.attention") for number in range(3)]
    Display(bars=False).sheet(("a density", "a rate", "a layer"), rows * 5)
    lines = file.getvalue().splitlines()
    assert [tuple(line.split()) for line in lines[1:]] == rows * 5
