"""The page: what was run, the results, what cannot be shown yet and why, settings, versions and runs, in this order."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

from analysis.publishing.catalogue import Publication
from analysis.publishing.materials import Supply
from analysis.publishing.upkeep import PACKAGES
from analysis.records import addresses
from analysis.report import listing, markup, overview, settings
from analysis.report.listing import ListedRun
from analysis.report.markup import Html, element, joined
from analysis.report.results import Exhibit, Makings, exhibits
from analysis.report.settings import Compared
from analysis.report.subject import Subject
from pruneexp.errors import redact

_TEMPLATE = Path(__file__).with_name("page.html")


class Chapter(NamedTuple):
    """A section with its heading; ``exhibits`` have headings of their own, below its text."""

    anchor: str
    heading: str
    text: Html = Html("")
    exhibits: tuple[Exhibit, ...] = ()


def written(subject: Subject, supply: Supply, publications: Iterable[Publication], makings: Makings) -> str:
    """The page as HTML."""
    runs = listing.listed(subject)
    shown, lacking = exhibits(publications, supply, makings, runs)
    chapters = [
        Chapter("results", "Results", exhibits=shown),
        *_lacking(lacking),
        *_notes([*supply.notes, *supply.remarks()]),
        *_settings(subject),
        Chapter("runs", "Runs", _runs(runs, subject.uri)),
        Chapter("page", "This page", _making(makings)),
    ]
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=joined([overview.title(subject)]),
        summary=element("p", overview.paragraph(subject)),
        contents=_contents(chapters),
        sections=joined([_section(chapter) for chapter in chapters], "\n"),
    )


def _section(chapter: Chapter) -> Html:
    parts = [element("h2", chapter.heading), chapter.text]
    parts += [_exhibit(exhibit) for exhibit in chapter.exhibits]
    return element("section", joined(parts, "\n"), id=chapter.anchor)


def _exhibit(exhibit: Exhibit) -> Html:
    return element("section", element("h3", exhibit.heading), "\n", exhibit.content, id=exhibit.name)


def _contents(chapters: Sequence[Chapter]) -> Html:
    return markup.items(
        joined([markup.link(chapter.heading, f"#{chapter.anchor}"), _inner(chapter.exhibits)]) for chapter in chapters
    )


def _inner(shown: Sequence[Exhibit]) -> Html:
    return markup.items(markup.link(one.heading, f"#{one.name}") for one in shown) if shown else Html("")


def _lacking(lacking: Mapping[str, Sequence[str]]) -> list[Chapter]:
    if not lacking:
        return []
    lines = [joined([element("strong", ", ".join(names)), ": ", markup.sentence(reason)])
             for reason, names in lacking.items()]  # fmt: skip
    return [Chapter("lacking", "Not shown yet", markup.items(lines))]


def _notes(notes: Sequence[str]) -> list[Chapter]:
    return [Chapter("notes", "Notes", markup.items(markup.sentence(redact(note)) for note in notes))] if notes else []


def _settings(subject: Subject) -> list[Chapter]:
    """What was configured and what computed it, as the runs of curves, studies and scans tell it."""
    origins, unknown = subject.origins()
    if not origins:
        return [Chapter("settings", "Configuration", element("p", "No run that tells it can be read."))]
    of = f"{len(origins)} {_nouns(subject)}"
    gap = [element("p", f"Of {unknown} others none can be read.")] if unknown else []
    config, environment = (settings.compared(found) for found in zip(*origins, strict=True))
    return [
        Chapter("settings", "Configuration", joined([*gap, *_compared(config, of)], "\n")),
        Chapter("versions", "Versions", joined(_compared(environment, of), "\n")),
    ]


def _compared(found: Compared, of: str) -> list[Html]:
    """What differs, and below it, folded away, what is common."""
    summary = f"What {of} have in common (number of keys: {len(found.common)})"
    common = [markup.folded(summary, settings.common(found, of))] if found.common else []
    return [settings.differing(found, of), *common]


def _nouns(subject: Subject) -> str:
    """What has a configuration of its own: ``curves``, ``curves, studies and scans``."""
    kinds = [*dict.fromkeys(one.kind for one in subject.above), *["scan"] * (subject.scans is not None)]
    *first, last = ({"curve": "curves", "study": "studies", "scan": "scans"}[kind] for kind in kinds)
    return f"{', '.join(first)} and {last}" if first else last


def _runs(runs: Sequence[ListedRun], uri: str) -> Html:
    pages = addresses.pages(uri)
    opening = addresses.opening(uri)
    if pages:
        opening = (
            "The id of a run links to its page in MLflow. Where MLflow shows this file, such links lead nowhere; there "
            "`attributes.run_id = 'ID'` in its search finds the run."
        )
    listed = markup.folded(f"{len(runs)} runs", listing.as_table(runs, pages))
    return joined([element("p", markup.sentence(opening)), listed], "\n")


def _making(makings: Makings) -> Html:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return joined([element("p", "Made by ", element("code", makings.whole()), "."), element("p", f"With {versions}.")])
