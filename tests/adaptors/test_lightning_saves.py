"""What Lightning's saves come to: in the background, failed, of other callbacks, in folders used before."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import AsyncCheckpointIO, TorchCheckpointIO
from lightning.pytorch.utilities.exceptions import SIGTERMException

from cprmodel import Advisor, AdvisorWarning
from cprmodel.adaptors.lightning import AdvisedCheckpoint
from cprmodel.advising.learning import Experience
from cprmodel.advising.state import read_state
from tests.adaptors.training import IGNORED, JOB, Clock, fit

pytestmark = [
    *IGNORED,
    pytest.mark.filterwarnings("ignore:The 'val_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:The `ModelCheckpoint`"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
]


def seen(folder: Path) -> Experience:
    state = read_state(folder / "advisor.json")
    assert state is not None
    return state.experience


def steps_by_name(folder: Path) -> dict[str, int]:
    """Each checkpoint, and the step that is really in it."""
    return {path.name: torch.load(path, weights_only=True)["global_step"] for path in sorted(folder.glob("*.ckpt"))}


def as_named(folder: Path) -> bool:
    return all(name.endswith(f"-step{step}.ckpt") for name, step in steps_by_name(folder).items())


class SlowIO(TorchCheckpointIO):
    """Writing takes a while; which may fail at first."""

    def __init__(self, failing: int = 0) -> None:
        super().__init__()
        self.failing = failing
        self.threads: set[str] = set()

    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        self.threads.add(threading.current_thread().name)
        time.sleep(0.05)
        if self.failing:
            self.failing -= 1
            raise OSError(28, "No space left on device")
        super().save_checkpoint(checkpoint, path, storage_options)


def test_a_start_from_the_beginning_in_a_folder_that_was_used(tmp_path: Path) -> None:
    """The newest is the newest, whatever its step; another training's checkpoints are left alone."""
    fit(tmp_path, Clock(), max_steps=40)
    before = set(steps_by_name(tmp_path))
    _, callback = fit(tmp_path, Clock(), max_steps=20)
    assert before < set(steps_by_name(tmp_path))
    newest = Path(callback.newest())
    assert newest.name not in before
    assert torch.load(newest, weights_only=True)["global_step"] == 20
    fit(tmp_path, Clock(), max_steps=60, resume=True)  # goes on: its own older ones may go
    after = steps_by_name(tmp_path)
    assert before < set(after)
    assert sorted(after.values())[-1] == 60
    assert len(after) == len(before) + 2
    assert as_named(tmp_path)


def test_saves_in_the_background(tmp_path: Path) -> None:
    """The name comes after the file, each file holds the step of its name, and drains are learned apart."""
    io = SlowIO()
    early: list[str] = []

    def look(callback: Any, number: int) -> None:
        early.extend(str(path) for path in tmp_path.glob("*.ckpt") if not path.stat().st_size)
        time.sleep(0.004)

    _, callback = fit(tmp_path, Clock(), look, max_steps=60, plugins=[AsyncCheckpointIO(io)])
    assert threading.current_thread().name not in io.threads
    assert not early
    assert as_named(tmp_path)
    assert Path(callback.newest()).name.endswith("-step60.ckpt")
    found = seen(tmp_path)
    assert found.saves == found.drains >= 2
    assert found.drain_s > 0
    trainer, _ = fit(tmp_path, Clock(), max_steps=70, resume=True, plugins=[AsyncCheckpointIO(SlowIO())])
    assert trainer.global_step == 70
    assert as_named(tmp_path)


@pytest.mark.parametrize("background", [False, True])
def test_a_save_that_fails_is_tried_again(background: bool, tmp_path: Path) -> None:
    io: Any = SlowIO(failing=1)
    plugin = AsyncCheckpointIO(io) if background else io
    with pytest.warns(AdvisorWarning, match="could not be saved .*No space left on device.*tried again"):
        trainer, _ = fit(tmp_path, Clock(), lambda *_: time.sleep(0.01), max_steps=40, plugins=[plugin])
    assert trainer.global_step == 40
    assert as_named(tmp_path)
    assert seen(tmp_path).void == 1
    assert seen(tmp_path).saves >= 2
    assert not list(tmp_path.glob(".advised*"))


def test_the_last_one_is_found_by_lightning(tmp_path: Path) -> None:
    trainer, _ = fit(tmp_path, Clock(), max_steps=30)
    again, _ = fit(tmp_path, Clock(), max_steps=35, ckpt_path="last")
    assert (trainer.global_step, again.global_step) == (30, 35)
    assert seen(tmp_path).failures == 0
    state = read_state(tmp_path / "advisor.json")
    assert state is not None
    assert state.steps == 35  # five more, not from the beginning


def test_saves_by_other_callbacks_count(tmp_path: Path) -> None:
    """After each step of 30 s, so that the advisor asks for none; weights alone are none."""
    whole = ModelCheckpoint(tmp_path / "other", every_n_train_steps=1, save_top_k=-1)
    fit(tmp_path, Clock(), max_steps=20, others=[whole])
    assert seen(tmp_path).saves == 20 + 1  # theirs, and our last state
    assert list(steps_by_name(tmp_path)) == ["advised-1-step20.ckpt"]
    weights = ModelCheckpoint(tmp_path / "other", every_n_train_steps=5, save_top_k=-1, save_weights_only=True)
    fit(tmp_path / "again", Clock(), max_steps=8, others=[weights])
    assert seen(tmp_path / "again").saves == 1
    kept = ModelCheckpoint(tmp_path / "slow", every_n_train_steps=5, save_top_k=-1)
    fit(tmp_path / "slow", Clock(), max_steps=8, others=[kept], plugins=[AsyncCheckpointIO(SlowIO())])
    assert seen(tmp_path / "slow").drains == seen(tmp_path / "slow").saves == 2


def test_a_url_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsspec's store in memory stands for s3: nothing lies in the local folder."""
    monkeypatch.chdir(tmp_path)
    _, callback = fit("memory://lightning", Clock(), max_steps=30)
    assert callback.newest() == "memory://lightning/advised-5-step30.ckpt"
    trainer, callback = fit("memory://lightning", Clock(), max_steps=40, resume=True)
    assert trainer.global_step == 40
    assert callback.newest().endswith("-step40.ckpt")
    assert len(list(callback._found())) == 2
    assert Advisor(JOB, "full", "memory://lightning/advisor.json").steps == 40
    assert not list(tmp_path.iterdir())


def test_a_sigterm_is_a_notice(tmp_path: Path) -> None:
    """The state is saved before Lightning ends training, and the end does not count for the interval."""

    def act(callback: Any, number: int) -> None:
        if number == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SIGTERMException):
        fit(tmp_path, Clock(), act, max_steps=30)
    assert steps_by_name(tmp_path) == {"advised-1-step6.ckpt": 6}
    fit(tmp_path, Clock(), max_steps=8, resume=True)
    assert (seen(tmp_path).failures, seen(tmp_path).announced) == (0, 1)


def test_validation_is_no_work(tmp_path: Path) -> None:
    """Eight batches of 100 s each: with them it would be time for a save after each epoch of 64 batches."""
    fit(tmp_path, Clock(), max_steps=7, limit_val_batches=8, val_check_interval=5, num_sanity_val_steps=0)
    assert seen(tmp_path).paused_s == 800.0
    assert seen(tmp_path).exposure_s == 7 * 30.0
    assert list(steps_by_name(tmp_path)) == ["advised-1-step7.ckpt"]


def test_a_notice_before_training_is_refused(tmp_path: Path) -> None:
    callback = AdvisedCheckpoint(JOB, tmp_path)
    with pytest.raises(ValueError, match=re.escape("AdvisedCheckpoint: warned: expected to be called while")):
        callback.warned(10.0)


def test_a_notice_at_rank_1_is_everybody_s(tmp_path: Path) -> None:
    """Real processes: they save together soon after, and at the end."""
    script = Path(__file__).with_name("lightning_ranks_script.py")
    command = [sys.executable, "-W", "ignore", str(script), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    steps = sorted(steps_by_name(tmp_path).values())
    assert steps[-1] == 200
    assert 11 <= steps[0] < 200
    assert as_named(tmp_path)
    state = read_state(tmp_path / "advisor.json")
    assert state is not None
    assert state.noticed
