"""The examples run and say what they should."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_simulate_on_dask() -> None:
    """A real local Dask cluster gives the same numbers, run by run."""
    command = [sys.executable, str(EXAMPLES / "simulate_on_dask.py"), "40000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert "the same, run by run" in done.stdout


def test_sweep_on_dask() -> None:
    """The same sweep on a real local Dask cluster: equal columns."""
    command = [sys.executable, str(EXAMPLES / "sweep_on_dask.py"), "900"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert "the same, column by column" in done.stdout


def test_the_validity_map_in_the_docs_is_what_its_script_makes() -> None:
    """A few cells of the map are simulated again, and the cells of the first-order ranges are within 10%."""
    spec = importlib.util.spec_from_file_location("validity_map", EXAMPLES / "validity_map.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    with (EXAMPLES.parent / "docs" / "_static" / "validity.csv").open(encoding="utf-8") as file:
        stored = list(csv.DictReader(file))
    rows = [
        *made.partial_rows(float(made.SAVES[4]), float(made.REACHES[7])),
        made.full_row("Young 1974", float(made.SAVES[6])),
        made.full_row("Daly 2006", float(made.SAVES[2])),
    ]
    for row in rows:
        keys = {name: f"{row[name]:.4g}" for name in ("save_over_mtbf", "reach")}
        (match,) = [one for one in stored if one["what"] == row["what"] and keys.items() <= one.items()]
        assert float(match["error"]) == pytest.approx(row["error"], abs=2e-4)
    for one in stored:
        small = float(one["save_over_mtbf"]) <= 1e-3
        if one["what"] == "PLS, partial" and small and 0.05 <= float(one["reach"]) <= 0.29:
            assert abs(float(one["error"])) <= 0.1
