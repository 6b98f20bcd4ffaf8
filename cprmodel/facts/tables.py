"""Text in tables that a spreadsheet may open, or that stand in Markdown."""

from __future__ import annotations

import re
from typing import Any

from cprmodel.facts.errors import one_line

__all__ = ["cell", "in_markdown"]

#: What a spreadsheet takes for the beginning of a formula (OWASP, "CSV injection"), the wide forms too.
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d++\.?\d*+|\.\d++)([eE][+-]?\d++)?")


def cell(value: Any) -> Any:
    """A value for a cell: text that a spreadsheet would run as a formula begins with an apostrophe, which it hides.

    Numbers stay as they are.

    >>> cell("=1+1"), cell("-1.5e3"), cell(-2.0), cell("emb-0")
    ("'=1+1", '-1.5e3', -2.0, 'emb-0')
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def in_markdown(value: Any) -> str:
    """Text for Markdown, whatever name is in it: one line that begins no tag, no code and no other cell.

    >>> print(in_markdown("a|b\\n<img> `c`"))
    a\\|b &lt;img&gt; \\`c\\`
    """
    text = one_line(str(value)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("|", "\\|").replace("`", "\\`")
