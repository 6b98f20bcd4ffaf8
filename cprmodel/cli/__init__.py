"""The command line. ``main`` is the entry point; everything heavy is imported by the command that needs it."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from cprmodel.cli.ending import Ending

__all__ = ["main", "run_app"]


#: Problems of one file that are printed.
_MOST_PROBLEMS = 50


def main() -> None:
    """Run the command; bad input is one line on standard error and exit status 2."""
    run_app(_app, "cprmodel")


def run_app(load: Callable[[], Any], program: str) -> None:
    """Load a Typer application and run it in the manner of this project: mistakes are one line each, status 2."""
    ending, status = Ending(), 128 + signal.SIGINT
    try:
        try:
            ending.begin()
            status = _run(load, program)
        finally:
            ending.end()
    except KeyboardInterrupt:  # which may come as it ends
        ending.end()
    sys.exit(ending.status(status))


def _run(load: Callable[[], Any], program: str) -> int:
    """Load and run; the exit status."""
    import typer

    from cprmodel.facts.errors import CprModelError, JobError, one_line

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Greek letters gets question marks
    try:
        status = load()(standalone_mode=False)
        return status if isinstance(status, int) else 0
    except JobError as error:
        lines = [f"{error.source}: {one}" for one in error.problems[:_MOST_PROBLEMS]]
        if len(error.problems) > _MOST_PROBLEMS:
            lines.append(f"{error.source}: {len(error.problems) - _MOST_PROBLEMS} more problems")
    except CprModelError as error:
        lines = [str(error)]
    except typer.TyperException as error:
        lines = [error.format_message().replace("Value error, ", "expected a value that is known: ")]
    except typer.Abort:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except OSError as error:
        what = error.filename or "standard output"
        lines = [f"{what}: expected a file that can be read or written ({error.strerror})"]
    for line in lines:
        print(f"{program}: {one_line(line)}", file=sys.stderr)
    return 2


def _app() -> Any:
    # a command is short: cycles among what imports leave, and plugins of pydantic, take a fifth of it to look for
    gc.set_threshold(50_000, 20, 20)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from cprmodel.cli.app import app

    return app
