"""Python's values as JavaScript: one way for everything that is put into a page's script."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["literal"]

#: What could end a script, or begin a comment or another script in it, whatever the browser; and ends of lines.
_ESCAPED = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


def literal(value: Any) -> str:
    """A JavaScript literal that can stand in a page, whatever text is in it.

    >>> literal({"name": "</script><!--<script>"})
    '{"name": "\\\\u003c/script\\\\u003e\\\\u003c!--\\\\u003cscript\\\\u003e"}'
    """
    return json.dumps(value, allow_nan=False, ensure_ascii=False).translate(_ESCAPED)
