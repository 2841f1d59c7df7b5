"""Everything that can be published of the records at hand, as one self-contained HTML page: ``page.written``.

``markup`` makes elements, ``results`` figures and tables, ``settings`` what was configured, ``listing`` the runs behind
it all; ``page`` puts them into ``page.html``. Knows no figure and no table by name, and no store but through
``analysis.records``. Made twice of the same records, a page has the same bytes.
"""
