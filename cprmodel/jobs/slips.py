"""What is likely meant where a TOML file cannot be read: the line, and the usual slips of those who write one."""

from __future__ import annotations

import re

__all__ = ["toml_slip"]

_AT = re.compile(r"\(at line (\d+), column \d+\)$")
_KEY = r"""^\s*(?P<key>[\w."'-]+)\s*"""

#: (what the line looks like, what to write instead); the first that fits is said.
_SLIPS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[“”„«»‘’]"), 'straight quotes (") and no curly ones'),
    (re.compile(_KEY + r"=\s*[+-]?\d+,\d+\s*(#.*)?$"), "a decimal point, not a comma"),
    (re.compile(_KEY + r"=\s*[+-]?\.\d+"), "a figure before the decimal point, such as 0.1"),
    (re.compile(_KEY + r"=\s*[+-]?\d+\.\s*(#.*)?$"), "a figure after the decimal point, such as 1.0"),
    (re.compile(_KEY + r"=\s*[+-]?[\d.,_]+\s*%"), "a fraction, such as 0.1 for 10%"),
    (re.compile(_KEY + r"=\s*[+-]?[\d.,_]+\s*[A-Za-z]"), 'a quantity in quotes, such as "30 min"'),
    (re.compile(_KEY + r"=\s*(True|False|TRUE|FALSE|yes|no|on|off|None|null)\s*(#.*)?$"), "true or false"),
    (re.compile(_KEY + r"=\s*(\"[^\"]*|'[^']*)$"), "a quote that is closed on the same line"),
    (re.compile(_KEY + r"=\s*[A-Za-z]"), "text in quotes"),
    (re.compile(_KEY + r"=\s*(#.*)?$"), "a value after the ="),
    (re.compile(_KEY + r":"), 'key = value in a [table], not "key: value"'),
    (re.compile(r"^\s*\[\[[^\]]*\]?\s*(#.*)?$"), "a heading that is closed, such as [[checkpoint.level]]"),
    (re.compile(r"^\s*\[[^\]]*$"), "a heading that is closed, such as [job]"),
    (re.compile(r"^\s*//"), "# before a remark"),
)

_JSON = re.compile(r"^\s*\{")


def toml_slip(text: str, error: str) -> str:
    """What was expected, in the words of a person; ``error`` is the parser's.

    >>> toml_slip('[accuracy]\\npls_budget = 0,1\\n', "Expected newline (at line 2, column 15)")
    'TOML, with a decimal point, not a comma, in line 2: pls_budget = 0,1'
    >>> toml_slip('[job]\\nwork = "5 d"\\n[job]\\n', "Cannot declare ('job',) twice (at line 3, column 5)")
    'TOML, with each table once; [job] is there a second time in line 3'
    """
    if _JSON.match(text):
        return "TOML, not JSON: key = value in a [table]"
    lines = text.splitlines()
    found = _AT.search(error)
    number = int(found[1]) if found else len(lines)
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    shown = line if len(line) <= 60 else f"{line[:57]}..."
    if line:
        for looks, meant in _SLIPS:
            if looks.search(line):
                return f"TOML, with {meant}, in line {number}: {shown}"
    reason = _AT.sub("", error).strip()
    if reason.startswith("Cannot declare"):
        return f"TOML, with each table once; {shown} is there a second time in line {number}"
    if reason.startswith("Cannot overwrite"):
        return f"TOML, with each key once in its table; line {number} has it again: {shown}"
    where = f" in line {number}: {shown}" if line else ""
    return f"TOML ({reason[:1].lower()}{reason[1:]}{where})"
