"""The Lightning callback inside a real Trainer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from cprmodel.adaptors.lightning import AdvisedCheckpoint
from cprmodel.advising.state import read_state
from tests.adaptors.training import IGNORED, JOB, Clock, fit

pytestmark = IGNORED


def test_it_saves_when_the_advisor_says(tmp_path: Path) -> None:
    """√(2·10 s·1 h) less a bit is 265 s: after nine batches of 30 s; two checkpoints are kept."""
    trainer, callback = fit(tmp_path, Clock(), max_steps=30)
    names = sorted(path.name for path in tmp_path.iterdir())
    state = read_state(tmp_path / "advisor.json")
    assert state is not None
    assert not state.open
    assert state.steps == 30
    assert state.experience.saves >= 3
    assert state.experience.saving_s == 0.0  # on this clock
    assert len(names) == 3
    assert Path(callback.newest()).name == "advised-5-step30.ckpt"  # the last state, too
    for name in names[:2]:
        loaded = torch.load(tmp_path / name, weights_only=True)
        assert loaded["global_step"] == int(name.rpartition("step")[2].removesuffix(".ckpt"))
    assert trainer.checkpoint_callbacks == [callback]  # Lightning adds none of its own


def test_a_notice_is_followed_by_a_save(tmp_path: Path) -> None:
    def warn(callback: Any, number: int) -> None:
        if number == 2:
            callback.warned(120.0)

    fit(tmp_path, Clock(), warn, max_steps=5)
    assert {path.name for path in tmp_path.glob("*.ckpt")} == {"advised-1-step3.ckpt", "advised-2-step5.ckpt"}


def test_not_between_gradients_that_are_accumulated(tmp_path: Path) -> None:
    def warn(callback: Any, number: int) -> None:
        if number == 4:  # the first of four
            callback.warned(120.0)

    fit(tmp_path, Clock(), warn, max_steps=3, accumulate_grad_batches=4)
    assert sorted(path.name for path in tmp_path.glob("*.ckpt")) == [
        "advised-1-step2.ckpt",
        "advised-2-step3.ckpt",
    ]


def test_an_exception_counts_as_a_failure_and_the_keyboard_does_not(tmp_path: Path) -> None:
    def fail(callback: Any, number: int) -> None:
        if number == 25:
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        fit(tmp_path, Clock(), fail)
    trainer, _ = fit(tmp_path, Clock(), max_steps=40, resume=True)
    assert trainer.global_step == 40
    state = read_state(tmp_path / "advisor.json")
    assert state is not None
    assert state.experience.whole_job == 1
    assert state.experience.recovering_s == 70.0  # as planned

    def stop(callback: Any, number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit):  # Lightning's answer to it
        fit(tmp_path, Clock(), stop, max_steps=60, resume=True)
    fit(tmp_path, Clock(), max_steps=50, resume=True)
    state = read_state(tmp_path / "advisor.json")
    assert state is not None
    assert state.experience.whole_job == 1


def test_what_it_refuses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep = 0: expected at least 1"):
        AdvisedCheckpoint(JOB, tmp_path, keep=0)
    assert AdvisedCheckpoint(JOB, tmp_path / "none").newest() is None


def test_cprmodel_itself_imports_neither_torch_nor_lightning() -> None:
    script = (
        "import sys, cprmodel; cprmodel.Advisor; "
        "assert not {'torch', 'lightning', 'pytorch_lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_library_under_its_other_name() -> None:
    script = (
        "import sys; sys.modules['lightning'] = None\n"
        "from cprmodel.adaptors.lightning import AdvisedCheckpoint\n"
        "import pytorch_lightning\n"
        "assert issubclass(AdvisedCheckpoint, pytorch_lightning.Callback)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
