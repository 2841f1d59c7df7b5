"""Fetches the files of points that runs of curves and studies carry, from a folder here or from where MLflow has them.

Knows neither what is in a file nor how runs are found. MLflow is imported only for what does not lie in a folder here.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from analysis.records.runs import PointsFile
from analysis.records.uris import local_folder
from pruneexp.errors import first_line
from pruneexp.schema import POINTS_FOLDER

THREADS = 10  # requests at once: a server answers ten in the time of two


class Carrier(NamedTuple):
    """The run of a curve or study, and the URI of the folder with its files."""

    run_id: str
    folder: str


def local_files(carrier: Carrier) -> Iterator[PointsFile]:
    """The files of one run; none where they lie somewhere else."""
    folder = local_folder(carrier.folder)
    for path in sorted((folder / POINTS_FOLDER).glob("*.parquet")) if folder else ():
        name = _name(carrier, f"{POINTS_FOLDER}/{path.name}")
        try:
            yield PointsFile(name, path.read_bytes())
        except OSError as error:
            yield PointsFile(name, error)


def files(carriers: list[Carrier], tracking_uri: str) -> list[PointsFile]:
    """The files of these runs, wherever they lie."""

    def of(carrier: Carrier) -> list[PointsFile]:
        here = local_folder(carrier.folder) is not None
        return list(local_files(carrier)) if here else _fetched(carrier, tracking_uri)

    with ThreadPoolExecutor(THREADS) as threads:
        return [file for found in threads.map(of, carriers) for file in found]


def _fetched(carrier: Carrier, tracking_uri: str) -> list[PointsFile]:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    name, found = _name(carrier, POINTS_FOLDER), []
    try:
        repository = get_artifact_repository(carrier.folder, tracking_uri=tracking_uri)
        with TemporaryDirectory() as folder:
            for file in repository.list_artifacts(POINTS_FOLDER):
                if file.path.endswith(".parquet"):
                    name = _name(carrier, file.path)
                    repository.download_artifacts(file.path, folder)  # type: ignore[no-untyped-call]
                    found.append(PointsFile(name, Path(folder, file.path).read_bytes()))
    except Exception as error:  # noqa: BLE001 -- each kind of storage has errors of its own, and needs a package
        found.append(PointsFile(name, OSError(first_line(error).rstrip("."))))
    return found


def _name(carrier: Carrier, path: str) -> str:
    return f"{path} of run {carrier.run_id}"
