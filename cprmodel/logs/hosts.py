"""Lists of nodes as schedulers write them: ``gpu[001-064,070],login1``."""

from __future__ import annotations

import re

__all__ = ["count_nodes"]

_PART = re.compile(r"([^,\[\]]*)((?:\[[^\]]*\][^,\[\]]*)*)(?:,|$)")


def count_nodes(text: str) -> int | None:
    """How many nodes a list names; a plain number is their count; None where the text is no such list.

    >>> count_nodes("gpu[001-064]"), count_nodes("a[1-2,7],b3"), count_nodes("16"), count_nodes("rack[1-2]n[01-04]")
    (64, 4, 16, 8)
    >>> count_nodes("None assigned") is None
    True
    """
    text = text.strip()
    if text.isdecimal():
        return int(text)
    if not text or " " in text or text.lower() in ("none", "unknown", "nan", "null"):
        return None
    total, at = 0, 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or match.end() == at:
            return None
        here = 1
        for inside in re.findall(r"\[([^\]]*)\]", match[2]):
            several = _in_brackets(inside)
            if several is None:
                return None
            here *= several
        total += here
        at = match.end()
    return total


def _in_brackets(text: str) -> int | None:
    count = 0
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            return None
        step = int(last) - int(first) + 1 if last else 1
        if step < 1:
            return None
        count += step
    return count
