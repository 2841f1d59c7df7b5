"""What commands print where the terminal is narrow, or knows few characters."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Sequence

import pytest

from analysis.__main__ import main as analysis
from pruneexp.__main__ import main as pruneexp
from pruneexp.dashboard import main as dashboard
from pruneexp.experiment.display import Display
from pruneexp.status import main as status
from pruneexp.store.__main__ import main as store
from pruneexp.terminal import announce
from sweeps.__main__ import main as sweeps


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


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


def test_bars_are_a_hundred_columns_wide_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "180")
    monkeypatch.setenv("TERM", "xterm")
    file = Terminal()
    monkeypatch.setattr(sys, "stderr", file)
    with Display(bars=True).running(3):
        pass
    lines = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", file.getvalue()).splitlines()
    assert 80 <= max(len(line.strip("\r")) for line in lines) <= 100


def test_what_takes_seconds_is_announced_at_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for file, told in ((Terminal(), "pruneexp: loading torch\n"), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stderr", file)
        announce("pruneexp", "loading torch")
        assert file.getvalue() == told
