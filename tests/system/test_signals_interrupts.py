"""Ctrl-C as real signals to real processes: the first interrupts, the second kills."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pruneexp.signals import handling_interrupts

PROGRAM = """
import sys, time
from pruneexp.signals import handling_interrupts

def work(seconds):
    print("working", flush=True)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)

first, second = map(float, sys.argv[1:])
try:
    with handling_interrupts():
        try:
            work(first)
        finally:
            work(second)
            print("ended well", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
"""


@pytest.fixture
def not_ignored() -> Iterator[None]:
    """Tests may run where SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(times: int) -> tuple[int, list[str]]:
    """Exit status and lines of a process that gets SIGINT so often, each time when it has begun something."""
    seconds = ["60" if number < times else "0" for number in range(2)]  # what is not interrupted ends at once
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *seconds],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        assert process.stdout is not None
        for _ in range(times):
            assert process.stdout.readline() == "working\n"
            process.send_signal(signal.SIGINT)
        lines = process.stdout.read().splitlines()
    return process.returncode, lines


@pytest.mark.parametrize(
    ("times", "status", "lines"),
    [
        (0, 0, ["working", "working", "ended well"]),
        (1, 130, ["working", "ended well", "interrupted"]),
        (2, -signal.SIGINT, []),  # which a shell shows as 130
    ],
    ids=["never", "once", "twice"],
)
def test_the_first_interrupt_lets_work_end_and_the_second_does_not(times: int, status: int, lines: list[str]) -> None:
    assert interrupted(times) == (status, lines)


@pytest.mark.usefixtures("not_ignored")
def test_what_was_before_comes_back() -> None:
    with handling_interrupts():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("not_ignored")
def test_where_it_is_ignored_it_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with handling_interrupts():
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
