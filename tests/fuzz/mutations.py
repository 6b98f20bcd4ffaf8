"""Ways to spoil an input."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

__all__ = ["mutated"]

#: What numbers, words and whole values are replaced by.
# fmt: off
NASTY = [
    b"nan", b"NaN", b"inf", b"-inf", b"Infinity", b"1e308", b"-1e308", b"1e400", b"1e-320", b"0", b"-0", b"-1",
    b"1e18", b"9" * 25, b"9" * 5000, b"0.1e-300", b"1_000", b"0x10", b"true", b"null", b"none", b"[]", b"{}",
    b'""', b"''", b"=1+1", b"1 h", b"1e300 s", b"inf h", b"1e9 yr", b"-5 min", b"1 h 1 h", b"2026-13-45",
    b"9999-12-31T23:59:59", b"0001-01-01", b"1e18:1e19:log5", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf",
    b"\xed\xa0\x80", "\u2028".encode(), "\u202e".encode(), b"\x1b[31m", b"</script>", b"<!--<script>",
    b"[/bold]", b"%s%n", b"\\u001b[31m", b"\\u0000", b"{0}", b"$(id)", b"../../../etc/passwd", b"/dev/zero",
    b"a" * 3000,
    "\u0661\u0662".encode(), b"1,5", b"\r", b"\n\n", b"\t", b";", b"|", b"#", b'"', b"\\", b"[" * 3000,
    b'{"a":' * 3000, b"[[job]]", b"preset:", b".", b"-", b"+",
]
# fmt: on
_NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WORD = re.compile(rb"[A-Za-z_]+")
_VALUE = re.compile(rb"(?<=[=:,|\t ])[^=:,|\t\n]+")


def mutated(rng: Random, inputs: Sequence[bytes]) -> bytes:
    """One of the inputs, spoiled a few times."""
    content = rng.choice(inputs)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        content = rng.choice(_WAYS)(rng, content, inputs)
    return content[:300_000]


def _flip(rng: Random, content: bytes, inputs: Sequence[bytes]) -> bytes:
    if not content:
        return content
    out = bytearray(content)
    out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _cut(rng: Random, content: bytes, inputs: Sequence[bytes]) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _remove(rng: Random, content: bytes, inputs: Sequence[bytes]) -> bytes:
    begin = rng.randrange(len(content) + 1)
    return content[:begin] + content[begin + rng.choice((1, 3, 20, 200)) :]


def _insert(rng: Random, content: bytes, inputs: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice(NASTY) + content[at:]


def _replaced(pattern: re.Pattern[bytes]) -> Callable[[Random, bytes, Sequence[bytes]], bytes]:
    def way(rng: Random, content: bytes, inputs: Sequence[bytes]) -> bytes:
        found = list(pattern.finditer(content[:100_000]))
        if not found:
            return content
        one = rng.choice(found)
        return content[: one.start()] + rng.choice(NASTY) + content[one.end() :]

    return way


def _line(rng: Random, content: bytes, inputs: Sequence[bytes]) -> bytes:
    """A line doubled, left out, moved, cut, or of another input."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    how = rng.randrange(6)
    if how == 0:
        lines.insert(at, lines[rng.randrange(len(lines))])
    elif how == 1:
        del lines[at]
    elif how == 2:
        lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
    elif how == 3:
        other = rng.choice(inputs).split(b"\n")
        lines.insert(at, rng.choice(other))
    elif how == 4:
        lines[at : at + 1] = [lines[at]] * rng.choice((2, 50, 1000))
    else:
        cells = re.split(rb"([,|\t;=])", lines[at])
        rng.shuffle(cells)
        lines[at] = b"".join(cells)
    return b"\n".join(lines)


def _splice(rng: Random, content: bytes, inputs: Sequence[bytes]) -> bytes:
    other = rng.choice(inputs)
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


def _sign(rng: Random, content: bytes, inputs: Sequence[bytes]) -> bytes:
    """One number a little or far from what it was."""
    found = list(_NUMBER.finditer(content[:100_000]))
    if not found:
        return content
    one = rng.choice(found)
    try:
        value = float(one[0])
    except ValueError:
        return content
    other = rng.choice((-value, 0.0, value * 1e6, value * 1e-6, value + 1, value * 10, 1e15, 0.5))
    shown = repr(other) if rng.random() < 0.5 or abs(other) > 1e15 else str(int(other))
    return content[: one.start()] + shown.encode() + content[one.end() :]


_WAYS = (
    _flip, _cut, _remove, _insert, _line, _line, _splice, _sign, _sign,
    _replaced(_NUMBER), _replaced(_NUMBER), _replaced(_WORD), _replaced(_VALUE), _replaced(_VALUE),
)  # fmt: skip
