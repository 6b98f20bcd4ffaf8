"""Text files that users name, or one clear line."""

from __future__ import annotations

from pathlib import Path

from cprmodel.facts.errors import JobError, Problem

__all__ = ["read_text"]


def read_text(path: str | Path, what: str, form: str) -> str:
    """The text of a file in UTF-8; ``what`` it should be and of which ``form`` stand in errors (JobError).

    >>> read_text("nope.csv", "a trace", "a text file")
    Traceback (most recent call last):
        ...
    cprmodel.facts.errors.JobError: nope.csv: expected a trace, but there is no such file
    """
    source = str(path)
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise JobError(source, [Problem("", "", f"{what}, but there is no such file")]) from None
    except UnicodeDecodeError:
        raise JobError(source, [Problem("", "", form)]) from None
    except OSError as error:
        raise JobError(source, [Problem("", "", f"a file that can be read ({error.strerror})")]) from None
