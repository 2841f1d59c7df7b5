"""Figures, one file each, found by file name; each is drawn once per (data, model) of the selected runs.

A figure file has

    data(frame, *, option: Annotated[type, "help"] = default) -> NamedTuple
        what is shown, computed and nothing else; UserError, one sentence, where there is nothing to show
    rows(made) -> Iterable[CsvRow]        the CSV the picture was drawn from (``analysis.publishing.numbers``): of each
                                          row its values by column, the last of which, ``runs``, has ids
    draw(made) -> Figure                  ink only, on a page of the width that is asked for: ``Figure()`` has it, and
                                          so have ``page_width`` and ``type_size`` of ``analysis.drawing.style``
    caption(made) -> str                  what the reader must know

    runs(made) -> tuple[str, ...]    (optional) the sorted ids of every run that had a say; else those that ``rows`` say
    MADE_OF    (optional) what the frame is of (``analysis.publishing.catalogue.Material``); else the points of curves

Every figure has the options ``--width`` and ``--format`` besides its own (``style.pictures``). What tells curves apart
is put into words by ``analysis.statistics.conditions``; colours and markers are those of ``analysis.drawing.levels``.

A frame may have a column of its own, such as the side of a comparison: ``tradeoff.data(frame, color="side")`` draws a
curve for each side, of all that else differs too.

The first line of its docstring and the keyword-only options of ``data`` make its command.
``tests/contracts/figures.py`` is the contract in full.
"""
