"""The adaptors against the real libraries: their examples, killed and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def run(name: str, *arguments: str, dies: bool = False) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == (-signal.SIGKILL if dies else 0), done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "step", "how", "calmly"),
    [
        ("advised_loop.py", "2500", [], []),
        ("advised_lightning.py", "300", ["--devices", "2"], ["--devices", "2"]),
        ("partial_loop.py", "250", ["--background"], []),
    ],
)
def test_killed_it_goes_on_and_ends_with_the_same_weights(
    name: str, step: str, how: list[str], calmly: list[str], tmp_path: Path
) -> None:
    calm = run(name, str(tmp_path / "calm"), *calmly)
    run(name, str(tmp_path / "killed"), "--die-at", step, *how, dies=True)
    left = json.loads((tmp_path / "killed" / "advisor.json").read_text())["advisor"]
    assert left["open"]
    assert left["experience"]["saves"] >= 1
    again = run(name, str(tmp_path / "killed"), *how)
    assert "went back to step" in again or "goes on from advised-" in again
    assert again.rpartition("weights ")[2] == calm.rpartition("weights ")[2]
    end = json.loads((tmp_path / "killed" / "advisor.json").read_text())["advisor"]
    assert not end["open"]
    assert end["experience"]["whole_job"] == 1
    assert end["experience"]["saves"] >= left["experience"]["saves"]
    assert end["steps"] > left["steps"]
    calm_end = json.loads((tmp_path / "calm" / "advisor.json").read_text())["advisor"]
    assert calm_end["experience"]["whole_job"] == 0
