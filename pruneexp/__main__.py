"""The command ``python -m pruneexp``: compose, check everything that can be checked, and only then load torch.

Hydra composes and sweeps; this module turns what goes wrong into one sentence and an exit status: 0 done,
1 some points failed or wait to be recorded, 2 the request or the machine is at fault, 130 interrupted, 143 told to
leave by SIGTERM, 140 by SIGUSR2.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import wraps
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pruneexp.config import checks, skeleton
from pruneexp.config.choices import choices_of, search_folders
from pruneexp.config.complaints import complaint
from pruneexp.config.misread import check_words
from pruneexp.config.sweep import check_command, own_modules
from pruneexp.config.words import readable
from pruneexp.errors import JobFailed, UserError
from pruneexp.experiment import gpus
from pruneexp.experiment.owing import told_what_is_owed
from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.state import JobNotNeeded, job_log
from pruneexp.signals import INTERRUPTED, Stopped, StopRequest, handling_interrupts, handling_stop_signals
from pruneexp.terminal import announce, replace_unwritable


def job(composed: DictConfig) -> Mapping[str, float] | None:
    """One Hydra job: one curve; returns the numbers of its last point, for sweepers that look for the best."""
    replace_unwritable()  # a launcher may run jobs in processes of their own
    folders = search_folders(HydraConfig.get())
    own = own_modules(folders)
    sys.path += [folder for folder in folders if folder not in sys.path]
    runtime = composed.runtime
    with speaking(runtime):
        try:
            with job_log(
                Path(runtime.sweeps).expanduser(), runtime.sweep, None if composed.plan else runtime.job
            ) as report:
                checks.validate(composed, own)
                if composed.device.name != "cpu" and not composed.plan:
                    gpus.claim(runtime.gpu_jobs)
                from pruneexp.experiment.run import run  # torch is loaded here, after everything cheap has been checked

                stop = StopRequest()
                with handling_stop_signals(stop):
                    return run(composed, choices_of(HydraConfig.get()), own, stop, report)
        except JobNotNeeded as reason:
            print(f"pruneexp: {reason}", file=sys.stderr, flush=True)
            return None
        except (UserError, JobFailed) as error:
            # Said now: Hydra reports the failures of a sweep only after its last job, and only the first of them.
            print(f"pruneexp: {error}", file=sys.stderr, flush=True)
            error.said = True
            raise


@contextmanager
def speaking(runtime: DictConfig) -> Iterator[None]:
    """Have the job of a sweep that is watched elsewhere write what it says into its log."""
    if not runtime.log or runtime.sweep is None or runtime.job is None:
        yield
        return
    log = SweepFolder(Path(runtime.sweeps).expanduser(), runtime.sweep).log(runtime.job)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8", errors="replace") as file, redirect_stdout(file), redirect_stderr(file):
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    replace_unwritable()
    words = sys.argv[1:] if arguments is None else arguments
    sys.argv = [sys.argv[0], *readable(words)]  # Hydra reads it there
    skeleton.register()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # hand exceptions to us instead of printing them
    wanted = os.environ.get("PRUNEEXP_TRACEBACK") or "runtime.traceback=true" in sys.argv
    try:
        check_words(words)
        wanted_help = check_command(sys.argv[1:])
        if wanted_help is not None:
            print(wanted_help)
        else:
            announce("pruneexp", "loading torch")
            with handling_interrupts(), told_what_is_owed("pruneexp") as debt:
                _run()
            return debt.status
    except Stopped as stopped:
        print(f"pruneexp: told to leave by {stopped}; all is saved, and the same command goes on here", file=sys.stderr)
        return 128 + stopped.signal
    except KeyboardInterrupt:
        print("pruneexp: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return INTERRUPTED
    except JobFailed as error:
        if wanted and error.__cause__ is not None:
            raise
        return _say(error, 1)
    except Exception as error:
        if wanted:
            raise
        return _say(error, 2)
    return 0


def _run() -> None:
    """Have Hydra run the command line.

    Raises:
        Exception: what a single job raises, which Hydra itself would first announce in words of its own.
    """
    failures: list[Exception] = []

    @wraps(job)
    def task(composed: DictConfig) -> Mapping[str, float] | None:
        try:
            return job(composed)
        except Exception as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise
            failures.append(error)
            return None

    entry: Any = hydra.main(version_base="1.3", config_path=str(skeleton.conf_folder()), config_name="config")(task)
    entry()
    if failures:
        raise failures[0]


def _say(error: Exception, status: int) -> int:
    if not getattr(error, "said", False):
        print(f"pruneexp: {complaint(error)}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
