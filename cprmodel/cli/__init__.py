"""The command line. ``main`` is the entry point; everything heavy is imported by the command that needs it."""

from __future__ import annotations

import io
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command; bad input is one line on standard error and exit status 2."""
    import typer

    from cprmodel.cli.app import app
    from cprmodel.facts.errors import CprModelError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Greek letters gets question marks
    try:
        status = app(standalone_mode=False)
    except CprModelError as error:
        _complain(str(error))
    except typer.TyperException as error:
        _complain(error.format_message().replace("Value error, ", "expected a value that is known: "))
    except typer.Abort:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        _complain(f"{error.filename or 'file'}: expected a file that can be read or written ({error.strerror})")
    else:
        sys.exit(status if isinstance(status, int) else 0)


def _complain(line: str) -> None:
    from cprmodel.facts.errors import one_line

    print(f"cprmodel: {one_line(line)}", file=sys.stderr)
    sys.exit(2)
