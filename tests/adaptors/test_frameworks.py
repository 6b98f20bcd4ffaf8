"""Examples for frameworks that make does not install, killed and started again (``make frameworks``).

Those that are not there are deselected. What the adaptors do is tried without them in test_transformers.py and
test_policies.py, called as the frameworks call them.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adaptors.test_torch import EXAMPLE, two_ranks

EXAMPLES = EXAMPLE.parent


def left_in(folder: Path) -> dict[str, float]:
    """What the advisor has seen, as its file says."""
    return dict(json.loads((folder / "advisor.json").read_text())["advisor"]["experience"])


def weights(text: str) -> str:
    return text.rpartition("weights ")[2].split()[0]


@pytest.mark.framework("transformers")
def test_a_trainer_of_two_ranks_of_which_one_is_killed(tmp_path: Path) -> None:
    script = str(EXAMPLES / "advised_transformers.py")
    calm = two_ranks(script, str(tmp_path / "calm"))
    assert [status for status, _, _ in calm] == [0, 0], calm
    killed = two_ranks(script, str(tmp_path / "killed"), "--die-at", "90")
    assert killed[0][0] == -signal.SIGKILL
    (cut := tmp_path / "killed" / "checkpoint-119").mkdir()  # as a kill in a save would leave it
    (cut / "model.safetensors").write_bytes(b"")
    again = two_ranks(script, str(tmp_path / "killed"))
    assert [status for status, _, _ in again] == [0, 0], again
    assert "goes on from checkpoint-" in again[0][1]
    assert weights(again[0][1]) == weights(calm[0][1])
    seen = left_in(tmp_path / "killed")
    assert seen["whole_job"] == 1
    assert seen["paused_s"] > 0
    assert left_in(tmp_path / "calm")["whole_job"] == 0


@pytest.mark.framework("ray")
def test_ray_starts_two_workers_anew(tmp_path: Path) -> None:
    ended = []
    for folder, how in (("calm", []), ("killed", ["--die-at", "150"])):
        command = [sys.executable, str(EXAMPLES / "advised_ray.py"), str(tmp_path / folder), *how]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        ended.append(done.stdout)
    calm, killed = ended
    assert "went back to step 0;" in calm
    step = re.search(r"went back to step (\d+);", killed)
    assert step is not None
    assert 0 < int(step[1]) <= 150
    assert weights(killed) == weights(calm)
    assert left_in(tmp_path / "killed")["whole_job"] == 1
    assert left_in(tmp_path / "calm")["whole_job"] == 0


@pytest.mark.framework("orbax")
@pytest.mark.parametrize("processes", [1, 2])
def test_orbax_goes_on_where_it_was_killed(processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")

    def run(folder: str, *how: str) -> list[tuple[int, str, str]]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        began = []
        for number in range(processes):
            command = [sys.executable, str(EXAMPLES / "advised_orbax.py"), str(tmp_path / folder), *how]
            if processes > 1:
                command += ["--processes", str(processes), "--process", str(number)]
                command += ["--coordinator", f"127.0.0.1:{port}"]
            began.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        said = [one.communicate(timeout=200) for one in began]
        return [(one.returncode, *texts) for one, texts in zip(began, said, strict=True)]

    calm, killed, again = run("calm"), run("killed", "--die-at", "2000"), run("killed")
    assert [status for status, _, _ in calm + again] == [0] * 2 * processes, calm + again
    assert killed[0][0] == -signal.SIGKILL
    assert all("went back to step" in output for _, output, _ in again)
    assert {weights(output) for _, output, _ in again} == {weights(output) for _, output, _ in calm}
    seen = left_in(tmp_path / "killed")
    assert seen["whole_job"] == 1
    assert seen["drains"] >= 1
