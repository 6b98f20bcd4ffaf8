"""The Lightning callback inside a real Trainer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from cprmodel import Job
from cprmodel.adaptors.lightning import AdvisedCheckpoint
from cprmodel.advising.state import read_state

# deprecated names that Lightning uses of torch, and its advice on speed
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch"),
]

JOB = Job.from_mapping(
    {"job": {"work": "10 h"}, "failures": {"mtbf": "1 h"}, "checkpoint": {"save": "10 s", "reschedule": "1 min"}}
)


class Clock:
    """A batch lasts 30 s; what is between two questions lasts no time."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def fit(folder: Path, clock: Clock, act: Any = None, resume: bool = False, **options: Any) -> Any:
    import lightning.pytorch as lightning

    class Model(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch: Any, number: int) -> Any:
            clock.now += 30.0
            if act:
                act(callback, number)
            return self.layer(batch).pow(2).mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    callback = AdvisedCheckpoint(JOB, folder, clock=clock)
    trainer = lightning.Trainer(
        max_steps=options.pop("max_steps", 60),
        accelerator="cpu",
        devices=1,
        callbacks=[callback],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    data = torch.utils.data.DataLoader(torch.ones(64, 2), batch_size=1)
    newest = callback.newest() if resume else None
    trainer.fit(Model(), data, ckpt_path=newest, weights_only=True)
    return trainer, callback


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
    assert callback.newest() is not None
    assert Path(callback.newest()).name == names[-2]
    loaded = torch.load(callback.newest(), weights_only=True)
    assert loaded["global_step"] == int(names[-2].removeprefix("advised-").removesuffix(".ckpt"))
    assert trainer.checkpoint_callbacks == [callback]  # Lightning adds none of its own


def test_a_notice_is_followed_by_a_save(tmp_path: Path) -> None:
    def warn(callback: Any, number: int) -> None:
        if number == 2:
            callback.advisor.warned(120.0)

    fit(tmp_path, Clock(), warn, max_steps=5)
    assert [path.name for path in tmp_path.glob("*.ckpt")] == ["advised-3.ckpt"]


def test_not_between_gradients_that_are_accumulated(tmp_path: Path) -> None:
    def warn(callback: Any, number: int) -> None:
        if number == 4:  # the first of four
            callback.advisor.warned(120.0)

    fit(tmp_path, Clock(), warn, max_steps=2, accumulate_grad_batches=4)
    assert [path.name for path in tmp_path.glob("*.ckpt")] == ["advised-2.ckpt"]


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
