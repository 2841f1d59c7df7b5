"""The command ``python -m sweeps study=NAME``: compose, check, and only then load torch and Optuna.

Exit status: 0 done, 1 some points failed or wait to be recorded, 2 the request or the machine is at fault, 130
interrupted, 143 told to leave by SIGTERM, 140 by SIGUSR2.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from pruneexp.config.complaints import complaint
from pruneexp.config.misread import check_words
from pruneexp.config.words import readable
from pruneexp.errors import JobFailed, UserError
from pruneexp.experiment import gpus
from pruneexp.experiment.owing import told_what_is_owed
from pruneexp.signals import INTERRUPTED, Stopped, StopRequest, handling_interrupts, handling_stop_signals
from pruneexp.terminal import announce, replace_unwritable
from sweeps import compose, files


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    replace_unwritable()
    typed = sys.argv[1:] if arguments is None else arguments
    words = readable(typed)
    if file := next((word for word in words if files.is_file_of_sweep(word)), None):
        words.remove(file)
        return _run_file([file, *words])
    wanted = os.environ.get("PRUNEEXP_TRACEBACK") or "runtime.traceback=true" in words
    try:
        check_words(typed, compose.FLAGS)
        command = compose.read(words)
        if command.help is not None:
            print(command.help)
        else:
            with handling_interrupts(), told_what_is_owed("sweeps") as debt:
                _run(command)
            return debt.status
    except Stopped as stopped:
        print(f"sweeps: told to leave by {stopped}; all is saved, and the same command goes on here", file=sys.stderr)
        return 128 + stopped.signal
    except KeyboardInterrupt:
        print("sweeps: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if wanted and not isinstance(error, JobFailed):
            raise
        print(f"sweeps: {complaint(error)}", file=sys.stderr)
        return 1 if isinstance(error, JobFailed) else 2
    return 0


def _run_file(words: Sequence[str]) -> int:
    from pruneexp.__main__ import main as run

    try:
        rewritten = files.words(words)
    except UserError as error:
        print(f"sweeps: {error}", file=sys.stderr)
        return 2
    return run(rewritten)


def _run(command: compose.Command) -> None:
    sys.path += [folder for folder in command.folders if folder not in sys.path]
    if command.config.device.name != "cpu" and not command.config.plan:
        gpus.claim(command.config.runtime.gpu_jobs)
    announce("sweeps", "loading torch and Optuna")
    from pruneexp.experiment.session import open_session
    from sweeps.studies import instantiated

    allowed = (*command.config.runtime.allow, *command.own)
    study = instantiated(command.study, allowed)  # a wrong option is said before anything is built
    stop = StopRequest()
    with handling_stop_signals(stop):
        study.run(open_session(command.config, command.choices, command.own, stop=stop))


if __name__ == "__main__":
    sys.exit(main())
