"""``python -m validation.gpu.work CASE.json FOLDER``: the experiment, until it is over or told to end (SIGINT).

What is done is in the folder, run by run; called again it does what is not.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from cprmodel.facts.errors import CprModelError
from validation.experiment.design import Experiment
from validation.experiment.runner import LOG, Runner

__all__ = ["main"]


def main(case: str, folder: str) -> None:
    """Go on, or begin."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started us in the background has it ignored
    experiment = Experiment.model_validate_json(Path(case).read_text(encoding="utf-8"))

    def show(what: str, done: int, of: int) -> None:
        print(f"{done} of {of} runs done; now {what}", flush=True)

    try:
        Runner(experiment, Path(folder), show).run(resume=(Path(folder) / LOG).exists())
    except CprModelError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main(*sys.argv[1:])
