"""The command line. ``main`` is the entry point; everything heavy is imported by the command that needs it."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from types import FrameType
from typing import Any

__all__ = ["main", "run_app"]


def main() -> None:
    """Run the command; bad input is one line on standard error and exit status 2."""
    # a command is short: cycles among what imports leave, and plugins of pydantic, take a fifth of it to look for
    gc.set_threshold(50_000, 20, 20)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from cprmodel.cli.app import app

    run_app(app, "cprmodel")


def run_app(app: Any, program: str) -> None:
    """Run a Typer application in the manner of this project: mistakes are one line each, status 2."""
    import typer

    from cprmodel.facts.errors import CprModelError

    ended = _end_in_order()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Greek letters gets question marks
    try:
        status = app(standalone_mode=False)
    except CprModelError as error:
        _complain(program, str(error))
    except typer.TyperException as error:
        message = error.format_message().replace("Value error, ", "expected a value that is known: ")
        _complain(program, message)
    except (typer.Abort, KeyboardInterrupt):
        status = 128 + signal.SIGINT
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        name = error.filename or "standard output"
        _complain(program, f"{name}: expected a file that can be read or written ({error.strerror})")
    if ended:
        status = 128 + ended[0]
    sys.exit(status if isinstance(status, int) else 0)


def _end_in_order() -> list[int]:
    """Have SIGTERM and SIGHUP end the command as Ctrl-C does, so that it takes away what it had half written.

    What is returned holds the signal, once one came. One that is ignored (``nohup``) stays so.
    """
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if not came:  # again: it is ending already
            came.append(number)
            raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)
    return came


def _complain(program: str, line: str) -> None:
    from cprmodel.facts.errors import one_line

    print(f"{program}: {one_line(line)}", file=sys.stderr)
    sys.exit(2)
