"""Python's values as JavaScript."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["literal"]


def literal(value: Any) -> str:
    """A JavaScript literal that can stand in a page."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    return (
        text.replace("</", "<\\/")
        .replace("<!--", "<\\!--")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )
