r"""A table as LaTeX that fits its column, from 3.3 inches on.

What fits one column of a two-column page as it is becomes a ``table`` there. Wider ones become a ``table*`` as wide as
the text, whose cells are folded; what no folding makes narrow enough, and what with its notes is higher than a page, is
made smaller; what is far too long becomes several tables. Needs the packages ``array``, ``booktabs`` and ``graphicx``
of the standard distribution. Knows nothing of what the cells mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from string import ascii_lowercase, ascii_uppercase

from analysis.publishing.layout import ColumnNeed, Measured, column_needs, column_widths
from analysis.publishing.sheet import Cell, TableSheet

#: Points that a digit takes in Computer Modern, by size of type; widths of texts are told in digits.
_SMALL, _SCRIPT = 4.63, 3.98
#: Points: a column of a two-column page, a whole page of one narrow column, and one of a usual width.
_COLUMN, _NARROW, _PAGE = 225.0, 238.0, 469.0
#: A narrow page and a usual one: the digits of a line, points for the rows of a table, and points of a line.
_ROOMS = ((_NARROW / _SCRIPT, 560.0, 9.5), (_PAGE / _SMALL, 450.0, 11.0))
#: How much longer a text is where its lines are broken between words.
_RAGGED = 1.15
#: Share of the width of the text on either side of a column.
_SIDE = 0.008
#: Letters by how many digits they are wide, in Computer Modern; others are as wide as the widest.
_WIDTHS = {
    letter: width
    for letters, width in (
        ("ijlI.,;:'|!", 0.6), ("()[]/- ft", 0.8), ("rszcev", 0.9), ("abdghknopquxy0123456789?–$*", 1.12),
        ("CDEFGJLPQRSTUVXYZ&~^<>=+−", 1.45),
    )
    for letter in letters
}  # fmt: skip
_WIDTHS |= dict.fromkeys("0123456789–", 1.0)
_WIDEST, _BOLD = 1.7, 1.15
#: What stays in one line: a word, or a part of one up to a hyphen or a sign after which ``_TEX`` allows a break.
_BREAKABLE = re.compile(r"[^\s\-_/=]+[-_/=]*|[-_/=]+")
#: Around a table, whose widths here are estimates.
_NO_WIDER = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{"
#: Around a table with its notes: below its caption, both stay on one page.
_NO_HIGHER = (
    r"\setbox0=\hbox{\parbox{\linewidth}{\centering\sloppy",
    r"}}\ifdim\dimexpr\ht0+\dp0\relax>0.88\textheight\resizebox*{!}{0.88\textheight}{\box0}\else\box0\fi",
)
#: Names of columns: macros have no digits in theirs.
_LETTERS = ascii_uppercase + ascii_lowercase

_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_\allowbreak{}", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "/": r"/\allowbreak{}", "=": r"=\allowbreak{}", "±": r"$\pm$", "×": r"$\times$", "–": "--", "−": "$-$",
    "≥": r"$\ge$", "≤": r"$\le$", "≈": r"$\approx$", "→": r"$\to$", "·": r"$\cdot$", "ε": r"$\varepsilon$",
    "λ": r"$\lambda$", "μ": r"$\mu$", "σ": r"$\sigma$", "∞": r"$\infty$",
}  # fmt: skip


def latex(sheet: TableSheet, name: str, comment: Sequence[str] = ()) -> str:
    """To be input into a document, and referred to as ``tab:NAME``; ``comment`` lines stand above it.

    What is too long for a page becomes several tables, of which the first has the label.
    """
    texts = [[Cell(name) for name in sheet.header], *sheet.rows]
    measured = list(_measured(texts))
    needs = column_needs(measured, sheet.align)
    fits = sum(need.whole for need in needs) * _SMALL * (1.0 + 2.0 * _SIDE * (len(needs) - 1)) <= _COLUMN
    lines = [f"% {line}" for line in comment]
    lines.append(r"% needs \usepackage{array,booktabs,graphicx}")
    first = 0
    for end in _pages(needs, [row[1:] for row in measured]):
        title = _tex(sheet.title) + (" (continued)" if first else rf"\label{{tab:{name}}}")
        notes = sheet.notes if end == len(sheet.rows) else ()
        lines += _float(title, sheet.header, sheet.rows[first:end], sheet.align, needs, notes, fits=fits)
        first = end
    return "\n".join(lines) + "\n"


def _float(
    title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]], align: str, needs: Sequence[ColumnNeed],
    notes: Iterable[str], *, fits: bool,
) -> Iterator[str]:  # fmt: skip
    kind, layout = ("table", _whole(align)) if fits else ("table*", _folded(needs, align))
    between = "\n" if fits else "\n\\addlinespace[2pt]\n"
    yield from (rf"\begin{{{kind}}}", r"\centering\sloppy", rf"\caption{{{title}}}", _NO_HIGHER[0])
    yield from (*layout, r"\toprule")
    yield from (_row(map(Cell, header)), r"\midrule", between.join(map(_row, rows)), r"\bottomrule", r"\end{tabular}}")
    if told := "\\par\n".join(map(_tex, notes)):
        yield from (r"\par\smallskip", rf"\parbox{{\linewidth}}{{\footnotesize\raggedright\sloppy {told}}}")
    yield from (_NO_HIGHER[1], rf"\end{{{kind}}}")


def _pages(needs: Sequence[ColumnNeed], columns: Sequence[Sequence[Measured]]) -> Iterator[int]:
    """The row after the last one of each page, whether that is a narrow or a usual one."""
    widths = [_widths(needs, room) for room, _, _ in _ROOMS]
    taken = [0.0 for _ in _ROOMS]
    for place, cells in enumerate(zip(*columns, strict=True)):
        own = [line * _lines(cells, of) + 2.0 for of, (_, _, line) in zip(widths, _ROOMS, strict=True)]
        taken = [sofar + height for sofar, height in zip(taken, own, strict=True)]
        if place and any(sofar > most for sofar, (_, most, _) in zip(taken, _ROOMS, strict=True)):
            yield place
            taken = own
    yield len(columns[0])


def _lines(cells: Sequence[Measured], widths: Sequence[float]) -> int:
    """About how many lines a row takes."""
    return max(math.ceil(_RAGGED * cell.whole / width) for cell, width in zip(cells, widths, strict=True))


def _widths(needs: Sequence[ColumnNeed], room: float) -> Sequence[float]:
    """The widths of folded columns in digits, where ``room`` are those of the page."""
    return column_widths(needs, room * (1.0 - 2.0 * _SIDE * (len(needs) - 1)))


def _whole(align: str) -> Iterator[str]:
    """The beginning of a table whose cells are not folded."""
    yield rf"\setlength{{\tabcolsep}}{{{_SIDE:g}\linewidth}}\small"
    yield rf"{_NO_WIDER}\begin{{tabular}}{{@{{}}{align}@{{}}}}"


def _folded(needs: Sequence[ColumnNeed], align: str) -> Iterator[str]:
    """The beginning of a table whose columns have a width each, on narrow pages another one than on usual ones."""
    narrow, usual = ([width / room for width in _widths(needs, room)] for room, _, _ in _ROOMS)
    yield rf"\setlength{{\tabcolsep}}{{{_SIDE:g}\linewidth}}"
    yield rf"\ifdim\linewidth<5.5in \scriptsize {_defined(narrow)}"
    yield rf"\else \small {_defined(usual)}\fi"
    sides = {"l": r"\raggedright", "r": r"\raggedleft", "c": r"\centering"}
    columns = (
        rf">{{{sides[side]}\arraybackslash}}p{{\w{letter}\linewidth}}"
        for side, letter in zip(align, _LETTERS, strict=False)
    )
    yield _NO_WIDER + "\\begin{tabular}{@{}\n  " + "\n  ".join(columns) + "\n@{}}"


def _defined(shares: Iterable[float]) -> str:
    """A macro for the width of each column, as a share of that of the text."""
    rounded = (math.floor(1000.0 * share) / 1000.0 for share in shares)
    return "".join(rf"\def\w{letter}{{{share:.3f}}}" for letter, share in zip(_LETTERS, rounded, strict=False))


def _measured(rows: Iterable[Sequence[Cell]]) -> Iterator[list[Measured]]:
    """The widths of the texts of each column; TeX may break them where ``_BREAKABLE`` ends."""
    for column in zip(*rows, strict=True):
        yield [
            Measured(_width(cell.text, cell.bold),
                     max((_width(piece, cell.bold) for piece in _BREAKABLE.findall(cell.text)), default=0.0))
            for cell in column
        ]  # fmt: skip


def _width(text: str, bold: bool) -> float:
    return sum(_WIDTHS.get(letter, _WIDEST) for letter in text) * (_BOLD if bold else 1.0)


def _row(cells: Iterable[Cell]) -> str:
    return " & ".join(map(_tex_cell, cells)) + r" \\"


def _tex(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in text)


def _tex_cell(cell: Cell) -> str:
    return rf"\textbf{{{_tex(cell.text)}}}" if cell.bold else _tex(cell.text)
