"""Makes the files of one figure or table: picture or text, the CSV behind it, and what they were made from.

Knows the contract of figures and tables (``analysis.figures``), none of them by name, and not where records come from.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from analysis.drawing import style
from analysis.publishing import provenance, upkeep
from analysis.publishing.catalogue import Publication, only
from analysis.publishing.latex import latex
from analysis.publishing.materials import Supply
from analysis.publishing.numbers import csv_text, runs_of
from analysis.publishing.plain import plain
from analysis.publishing.sheet import TableSheet, markdown, sheet_of
from analysis.records import frames
from analysis.statistics import doubts, selection
from pruneexp.errors import UserError
from pruneexp.schema import TOP1


def subjects(publication: Publication, frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The file names, without suffix, that a publication makes of this frame, each with its part of the frame.

    Records that are judged by different metrics are never in one part, but for a table that says it is of all.
    """
    if getattr(publication.module(), "OF_ALL_METRICS", False):
        yield publication.name, frame
        return
    if publication.kind == "table" or frame.empty:
        yield from _by_metric(publication.name, frame)
        return
    for key, rows in selection.groups(frame, frames.SUBJECT):
        parts = (publication.name, *(re.sub(r"[^\w.-]+", "_", str(value)) for value in key.values()))
        yield from _by_metric("-".join(parts), rows.reset_index(drop=True))


def _by_metric(name: str, frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The whole under its name; of several metrics, those but top-1 accuracy add theirs to the name."""
    metrics = frames.primaries(frame)
    if len(metrics) <= 1:
        yield name, frame
        return
    for metric in metrics:
        rows = frame[frames.judged_by(frame, metric)].reset_index(drop=True)
        yield name if metric == TOP1 else f"{name}-{metric.name}", rows


def each(
    publications: Iterable[Publication], supply: Supply, do: Callable[[Publication, str, pd.DataFrame], None]
) -> tuple[tuple[str, ...], dict[str, list[str]]]:
    """Do something with all that these publications make; the names it was done for, and the others by reason.

    A publication whose material is lacking, or a part of it that ``do`` refuses with a ``UserError``, stops no other.
    """
    done: list[str] = []
    lacking: dict[str, list[str]] = {}
    for publication in publications:
        try:
            parts = list(subjects(publication, supply.counted(publication.made_of())))
        except UserError as reason:
            lacking.setdefault(str(reason), []).append(publication.name)
            continue
        for name, rows in parts:
            try:
                do(publication, name, rows)
            except UserError as reason:
                lacking.setdefault(str(reason), []).append(name)
            else:
                done.append(name)
    return tuple(done), lacking


def files(publication: Publication, name: str, frame: pd.DataFrame, options: Mapping[str, Any]) -> dict[str, bytes]:
    """Every file by its name; the same frame and options give the same bytes.

    Raises:
        UserError: the frame has nothing for it to show.
    """
    module = publication.module()
    made = module.data(frame, **only(options, module.data))
    rows = publication.rows(made)
    source = provenance.of(name, options, frame, publication.runs(made, rows), publication.own_code())
    content, beside = {f"{name}.csv": csv_text(rows).encode()}, {}
    if publication.kind == "figure":
        content |= _figure(module, name, made, source, only(options, style.pictures))
    else:
        sheet = module.sheet(made)
        sheet = sheet._replace(notes=(*sheet.notes, *doubts.notes(frame, runs_of(rows))))
        content |= _table(name, sheet, source)
        beside = {"table": sheet._asdict()}
    content[upkeep.SIDECAR.format(name)] = source.sidecar(content, **beside)
    return content


def write(folder: Path, content: Mapping[str, bytes]) -> list[Path]:
    """Write the files, each complete or not at all.

    Raises:
        UserError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in content.items():
            half = folder / f".{name}.{os.getpid()}"
            half.write_bytes(data)
            half.replace(folder / name)
    except OSError as error:
        raise UserError(f"{folder} cannot be written to ({error.strerror}): name another folder.") from error
    return [folder / name for name in content]


def text(paths: Iterable[Path], width: int, *, styled: bool) -> str:
    """The table among these files, for a terminal (``analysis.publishing.plain``)."""
    (path,) = (path for path in paths if path.name.endswith(upkeep.SIDECAR.format("")))
    return plain(sheet_of(json.loads(path.read_text(encoding="utf-8"))["table"]), width, styled=styled)


def _figure(
    module: ModuleType, name: str, made: Any, source: provenance.Provenance, options: Mapping[str, Any]
) -> dict[str, bytes]:
    """The pictures, in the formats and for the width of the page that the options say."""
    with style.applied(options.get("width", "page")):
        drawn = module.draw(made)
    about = {
        "Title": name,
        "Description": " ".join((module.caption(made), *source.lines())),
        "Source": " ".join(run for run, _, _ in source.runs),
    }
    return {f"{name}{suffix}": content for suffix, content in style.pictures(drawn, about, **options).items()}


def _table(name: str, sheet: TableSheet, source: provenance.Provenance) -> dict[str, bytes]:
    texts = {f"{name}.md": markdown(sheet, source.lines()), f"{name}.tex": latex(sheet, name, source.lines())}
    return {file: text.encode() for file, text in texts.items()}
