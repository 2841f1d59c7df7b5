"""Ctrl-C as real signals to real processes: once finishes the write at hand, twice leaves at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from pruneexp import signals

PROGRAM = """
import sys, time
from pruneexp.signals import deferring_interrupts, handling_interrupts

def write(seconds):
    print("writing", flush=True)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)
    print("written", flush=True)

try:
    with handling_interrupts():
        {body}
    print("went on", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
"""
IN_A_WRITE = "\n        ".join(("with deferring_interrupts():", "    write(1)", "print('after', flush=True)"))


def interrupted(body: str, times: int) -> tuple[int, list[str]]:
    """Exit status and lines of a process that gets SIGINT so often, once it writes."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            signal.sigtimedwait([], 0.2)  # two pending at once are one
        lines = process.stdout.read().splitlines()
    return process.returncode, lines


@pytest.mark.parametrize(
    ("body", "times", "status", "lines"),
    [
        (IN_A_WRITE, 0, 0, ["written", "after", "went on"]),
        (IN_A_WRITE, 1, 130, ["written", "interrupted"]),
        (IN_A_WRITE, 2, 130, []),
        ("write(60)", 1, 130, ["interrupted"]),
    ],
    ids=["never", "once in a write", "twice in a write", "once elsewhere"],
)
def test_an_interrupt_waits_for_a_write_and_the_second_for_nothing(
    body: str, times: int, status: int, lines: list[str]
) -> None:
    assert interrupted(body, times) == (status, lines)


def test_only_one_is_in_force_and_what_was_before_comes_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run where it is ignored
    with signals.handling_interrupts():
        inside = signal.getsignal(signal.SIGINT)
        with signals.handling_interrupts():
            assert signal.getsignal(signal.SIGINT) is inside
        assert signal.getsignal(signal.SIGINT) is inside
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_a_failed_write_that_was_interrupted_too_ends_interrupted() -> None:
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        fail_interrupted()
    signal.signal(signal.SIGINT, before)


def fail_interrupted() -> None:
    with signals.handling_interrupts(), signals.deferring_interrupts():
        signal.raise_signal(signal.SIGINT)
        raise OSError("full")
