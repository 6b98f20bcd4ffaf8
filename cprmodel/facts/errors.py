"""What can be wrong, as typed exceptions whose text is one line that a person can act on."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AdvisorWarning",
    "CheckpointWarning",
    "CprModelError",
    "DomainError",
    "JobError",
    "Problem",
    "ValidityWarning",
    "one_line",
]


class CprModelError(Exception):
    """Base of every error that cprmodel raises on purpose."""


class DomainError(CprModelError, ValueError):
    """A formula was given a number outside the set where it means anything (a negative time, say)."""


class ValidityWarning(UserWarning):
    """A formula was used outside the range in which it is a good approximation."""


class AdvisorWarning(UserWarning):
    """What an advisor had learned cannot be kept or read: training goes on."""


class CheckpointWarning(UserWarning):
    """A file of a checkpoint is not as it was written: an older one is read."""


def one_line(text: str) -> str:
    """Text for a terminal: one line, and no control characters that somebody put into a file.

    >>> one_line("a\\nb \\x1b[31mred")
    'a b \\\\x1b[31mred'
    """
    joined = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input: where, what was read, what is expected."""

    field: str
    value: str
    expected: str

    def __str__(self) -> str:
        field, value = _cut(self.field, 80), _cut(self.value, 160)
        what = f"{field} = {value}" if value else field
        expected = _cut(self.expected, 800)
        return f"{what}: expected {expected}" if what else f"expected {expected}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


class JobError(CprModelError, ValueError):
    """A job cannot be read or planned; ``problems`` lists everything wrong, the text has a line for each.

    >>> str(JobError("JOB.toml", [Problem("checkpoint.save", '"4"', 'a time with its unit, such as "30 min"')]))
    'JOB.toml: checkpoint.save = "4": expected a time with its unit, such as "30 min"'
    """

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {one}" for one in problems))
