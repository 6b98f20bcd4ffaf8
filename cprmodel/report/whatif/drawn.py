"""``drawings.json``, what the charts of :mod:`cprmodel.report.whatif.drawings` are as Vega-Lite.

They hang on nothing but whether there are shards, and Altair takes longer to draw them than all else of the page:
so they lie beside this file, a test holds them to the drawings, and ``make formulas`` renews them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cprmodel.facts.files import write_whole

__all__ = ["FILE", "drawn", "renew", "text"]

FILE = Path(__file__).with_name("drawings.json")
#: Strategies of which the page shows the parts.
_STRATEGIES = 4


def drawn(sharded: bool) -> dict[str, Any]:
    """The specifications by colours, then by the charts' names.

    >>> sorted(drawn(sharded=False)["dark"])
    ['breakdown', 'interval', 'sweep-linear', 'sweep-log']
    """
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["sharded" if sharded else "whole"]
    return found


def text() -> str:
    """The text of the file."""
    from cprmodel.report.whatif.drawings import DARK, LIGHT, drawings

    found = {
        name: {
            colors: drawings(theme, sharded, _STRATEGIES) for colors, theme in (("light", LIGHT), ("dark", DARK))
        }
        for name, sharded in (("sharded", True), ("whole", False))
    }
    return json.dumps(found, ensure_ascii=False, indent=0) + "\n"


def renew() -> None:
    """Draw them again."""
    write_whole(FILE, text())
