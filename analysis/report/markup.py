"""HTML elements, whose texts are escaped; tables, pictures and lists of them. Knows nothing of what they show."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Sequence

from analysis.publishing.sheet import Cell, TableSheet

#: The width, in CSS pixels, up to which the narrow one of two pictures is shown.
NARROW = 700
#: Letters from which on a text in a table gets room to stand in few lines, though others must be scrolled to.
LONG = 24
_TAG = re.compile(r"<[^>]*>")


class Html(str):
    """A piece of a page that is HTML already; any other text is escaped where it becomes part of one."""

    __slots__ = ()


def element(tag: str, *content: str, **attributes: str) -> Html:
    """``<tag attribute="...">content</tag>``; ``class_`` is the attribute ``class``, ``aria_label`` ``aria-label``."""
    named = ((name.rstrip("_").replace("_", "-"), html.escape(value)) for name, value in attributes.items())
    told = "".join(f' {name}="{value}"' for name, value in named)
    return Html(f"<{tag}{told}>{joined(content)}</{tag}>")


def joined(parts: Iterable[str], between: str = "") -> Html:
    """Parts in a row; what is no ``Html`` is escaped."""
    return Html(between.join(part if isinstance(part, Html) else html.escape(part, quote=False) for part in parts))


def sentence(text: str) -> Html:
    """Prose in which what stands in backticks is code."""
    parts = text.split("`")
    return joined(element("code", part) if place % 2 else part for place, part in enumerate(parts))


def items(texts: Iterable[str]) -> Html:
    """A list with a bullet for each."""
    return element("ul", *(element("li", text) for text in texts))


def link(text: str, address: str) -> Html:
    """A link within the page, or one to another page, which opens beside this one."""
    beside = {} if address.startswith("#") else {"target": "_blank", "rel": "noopener"}
    return element("a", text, href=address, **beside)


def folded(summary: str, *content: str) -> Html:
    """What a reader unfolds."""
    return element("details", element("summary", summary), *content)


def sheet(made: TableSheet) -> Html:
    """A table with its title above and its notes below it."""
    rows = [[_cell(cell) for cell in row] for row in made.rows]
    notes = [element("p", sentence(note), class_="note") for note in made.notes]
    return joined([table(made.title, made.header, made.align, rows), *notes], "\n")


def table(title: str, header: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> Html:
    """A table in a box of its own, in which it scrolls where the page is too narrow for it.

    The first column heads its rows; ``align`` is one of l, r, c per column.
    """
    head = [element("th", name, scope="col", class_=letter) for name, letter in zip(header, align, strict=True)]
    lines = joined([_line(row, align) for row in rows], "\n")
    caption = element("caption", element("span", title))
    whole = element("table", caption, element("thead", element("tr", *head)), element("tbody", lines))
    return element("div", whole, class_="scroll", role="region", aria_label=title, tabindex="0")


def _line(row: Sequence[str], align: str) -> Html:
    classes = [letter + " long" * (len(_TAG.sub("", text)) > LONG) for text, letter in zip(row, align, strict=True)]
    head = element("th", row[0], scope="row", class_=classes[0])
    others = zip(row[1:], classes[1:], strict=True)
    return element("tr", head, *(element("td", text, class_=its) for text, its in others))


def _cell(cell: Cell) -> Html:
    return element("strong", sentence(cell.text)) if cell.bold else sentence(cell.text)


def picture(wide: bytes, narrow: bytes, text: str) -> Html:
    """Two SVG pictures of the same, the narrow one for narrow pages; ``text`` is for readers who do not see them."""
    source = f'<source media="(max-width: {NARROW}px)" srcset="{_svg(narrow)}">'
    return element("picture", Html(source), Html(f'<img src="{_svg(wide)}" alt="{html.escape(text)}">'))


def _svg(content: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"
