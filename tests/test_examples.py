"""The examples run and say what they should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_simulate_on_dask() -> None:
    """A real local Dask cluster gives the same numbers, run by run."""
    command = [sys.executable, str(EXAMPLES / "simulate_on_dask.py"), "40000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert "the same, run by run" in done.stdout
