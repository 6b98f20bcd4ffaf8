"""Examples for frameworks of training, two ranks each: killed, and started again.

On a clock of the test's own, and called as the frameworks call them, the adaptors are tried in test_transformers.py
and its neighbours.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

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


def trained_alone(steps: int, batch_of: Callable[[int, int], tuple[torch.Tensor, torch.Tensor]]) -> float:
    """The weights of the examples for Ray and Composer by one process, which adds up both ranks' gradients."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        for rank in range(2):
            inputs, wanted = batch_of(step, rank)
            (torch.nn.functional.mse_loss(model(inputs), wanted) / 2).backward()
        optimizer.step()
    return torch.cat([one.flatten() for one in model.parameters()]).double().sum().item()


@pytest.mark.framework("ray")
def test_ray_starts_two_workers_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")  # of clouds: a process less
    command = [sys.executable, str(EXAMPLES / "advised_ray.py"), str(tmp_path), "--die-at", "150"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    step = re.search(r"went back to step (\d+);", done.stdout)
    assert step is not None
    assert 0 < int(step[1]) <= 150

    def batch_of(step: int, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = torch.randn(64, 8, generator=torch.Generator().manual_seed(2 * step + rank))
        return inputs, inputs.sum(dim=1, keepdim=True).sin()

    assert float(weights(done.stdout)) == pytest.approx(trained_alone(200, batch_of), abs=1e-12)
    assert left_in(tmp_path)["whole_job"] == 1


@pytest.mark.framework("composer")
def test_composer_resumes_two_ranks_of_which_one_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("NODE_RANK", "0")  # the two that Composer's launcher adds
    command = [str(EXAMPLES.parent / "tests" / "adaptors" / "composer_script.py")]
    command += [str(EXAMPLES / "advised_composer.py"), str(tmp_path)]
    killed = two_ranks(*command, "--die-at", "150")
    assert killed[0][0] == -signal.SIGKILL, killed
    again = two_ranks(*command)
    assert [status for status, _, _ in again] == [0, 0], again
    batch = re.search(r"went back to batch (\d+)\n", again[0][1])
    assert batch is not None
    assert 0 < int(batch[1]) <= 150
    data = torch.randn(1600, 8, generator=torch.Generator().manual_seed(1)).view(50, 16, 2, 8)

    def batch_of(step: int, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = data[(step - 1) % 50, :, rank]
        return inputs, inputs.sum(dim=1, keepdim=True).sin()

    assert float(weights(again[0][1])) == pytest.approx(trained_alone(200, batch_of), abs=1e-12)
    assert left_in(tmp_path)["whole_job"] == 1


@pytest.mark.framework("orbax")
def test_orbax_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")

    def run(folder: str, *how: str) -> list[tuple[int, str, str]]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        began = []
        for number in range(2):
            command = [sys.executable, str(EXAMPLES / "advised_orbax.py"), str(tmp_path / folder), *how]
            command += ["--processes", "2", "--process", str(number), "--coordinator", f"127.0.0.1:{port}"]
            began.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        said = [one.communicate(timeout=200) for one in began]
        return [(one.returncode, *texts) for one, texts in zip(began, said, strict=True)]

    calm, killed, again = run("calm"), run("killed", "--die-at", "800"), run("killed")
    assert [status for status, _, _ in calm + again] == [0] * 4, calm + again
    assert killed[0][0] == -signal.SIGKILL
    assert all("went back to step" in output for _, output, _ in again)
    assert {weights(output) for _, output, _ in again} == {weights(output) for _, output, _ in calm}
    seen = left_in(tmp_path / "killed")
    assert seen["whole_job"] == 1
    assert seen["drains"] >= 1
