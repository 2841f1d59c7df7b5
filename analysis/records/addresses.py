"""Where people see the runs of a tracking store: pages of MLflow's user interface, or the command that serves it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from urllib.parse import urlsplit

from analysis.records.stores import open_store
from analysis.records.uris import kept_path, sqlite_path
from pruneexp.errors import redact

#: Of the pages of runs; without it MLflow 3 shows them among those of language models.
WORKFLOW = "?workflowType=machine_learning"


def pages(uri: str) -> Mapping[str, str]:
    """By experiment the address that the id of a run, appended, makes that of its page; empty where no server is named.

    Raises:
        UserError: the store cannot be read.
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return {}
    host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return {name: f"{host}/#/experiments/{number}/runs/" for name, number in open_store(uri).experiments().items()}


def opening(uri: str) -> str:
    """How a run is found by its id, in a sentence."""
    if kept_path(uri) is not None:
        return f"The runs are those of the tracking store whose records {uri} keeps."
    return f"`{opener(uri)}` opens MLflow, where `attributes.run_id = 'ID'` finds a run."


def opener(uri: str) -> str:
    """The command that serves MLflow's user interface on a database."""
    path = sqlite_path(uri)
    return shlex.join(["mlflow", "ui", "--backend-store-uri", redact(uri) if path is None else f"sqlite:///{path}"])
