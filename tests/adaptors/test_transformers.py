"""The Trainer's callback, called as transformers 5's Trainer calls it, on a clock of the test's own.

``tests/adaptors/test_frameworks.py`` has the real one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cprmodel import Job
from cprmodel.adaptors.transformers import AdvisedSaves, newest_checkpoint
from cprmodel.facts.errors import DomainError

STEP_S, LOG_S, EVALUATE_S, SAVE_S = 60.0, 3.0, 900.0, 240.0
JOB = Job.from_mapping(
    {
        "job": {"work": "10000 h"},
        "failures": {"mtbf": "28 h"},
        "checkpoint": {"save": "2 min", "load": "4 min", "reschedule": "10 min"},
    }
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Trainer:
    """The events of ``Trainer.train`` in their order (``trainer.py``: ``_inner_training_loop``,
    ``_maybe_log_save_evaluate``, ``evaluate``), with the default flow of evaluation and logs; time passes in each.
    """

    def __init__(self, folder: Path, callback: AdvisedSaves, clock: Clock, steps: int, epoch: int = 10**9) -> None:
        self.args = SimpleNamespace(output_dir=str(folder))
        self.state = SimpleNamespace(global_step=0, max_steps=steps)
        self.control = SimpleNamespace(should_save=False, should_evaluate=False, should_training_stop=False)
        self.callback, self.clock, self.epoch = callback, clock, epoch
        self.saved: list[int] = []
        self.seen: Any = None

    def call(self, event: str) -> None:
        getattr(self.callback, event)(self.args, self.state, self.control, model=None, optimizer=None)

    def train(self, evaluate_every: int = 10**9, dies_at: int = -1, act: Any = None) -> None:
        self.call("on_train_begin")
        while self.state.global_step < self.state.max_steps and not self.control.should_training_stop:
            self.control.should_save = False
            self.clock.now += STEP_S
            self.state.global_step += 1
            if self.state.global_step == dies_at:
                return
            if act:
                act(self.state.global_step)
            self.control.should_evaluate = self.state.global_step % evaluate_every == 0  # DefaultFlowCallback
            self.call("on_step_end")
            self.maybe_log_save_evaluate()
            if self.state.global_step % self.epoch == 0:
                self.control.should_evaluate = True
                self.call("on_epoch_end")
                self.maybe_log_save_evaluate()
        self.seen = self.callback.advisor.seen if self.callback.advisor else None
        self.call("on_train_end")

    def maybe_log_save_evaluate(self) -> None:
        self.clock.now += LOG_S
        self.call("on_log")
        if self.control.should_evaluate:
            for _ in range(3):
                self.clock.now += EVALUATE_S / 3
                self.call("on_prediction_step")
            self.call("on_log")
            self.control.should_evaluate = False
            self.call("on_evaluate")
        if self.control.should_save:
            self.clock.now += SAVE_S
            self.saved.append(self.state.global_step)
            self.control.should_save = False
            self.call("on_save")


def test_evaluation_is_neither_work_nor_a_save(tmp_path: Path) -> None:
    """Saves of which some follow an evaluation: all cost the same, and the interval counts work alone."""
    clock = Clock()
    plain = Trainer(tmp_path / "plain", AdvisedSaves(JOB, clock=clock), clock, 1500)
    plain.train()
    clock = Clock()
    evaluating = Trainer(tmp_path / "evaluating", AdvisedSaves(JOB, clock=clock), clock, 1500, epoch=400)
    evaluating.train(evaluate_every=7)
    for one in (plain, evaluating):
        assert len(one.saved) > 5
        assert one.saved[-1] == 1500  # the last state
        assert one.seen.saves == len(one.saved)
        assert one.seen.saving_s == pytest.approx(SAVE_S * len(one.saved))
    assert evaluating.seen.paused_s == pytest.approx((1500 // 7 + 3) * (EVALUATE_S + LOG_S))
    # a log before an evaluation is part of it, else of a step: 3 s of 63 in each seventh step; and to a step each
    assert len(evaluating.saved) == len(plain.saved)
    for number, (ours, theirs) in enumerate(zip(evaluating.saved, plain.saved, strict=True)):
        assert abs(ours - theirs) <= theirs * 3 / 63 / 7 + number + 1


def test_a_killed_trainer_is_one_failure_and_its_last_step_is_saved_once(tmp_path: Path) -> None:
    clock = Clock()
    first = AdvisedSaves(JOB, clock=clock)
    Trainer(tmp_path, first, clock, 500).train(dies_at=300)
    again = AdvisedSaves(JOB, clock=clock)
    trainer = Trainer(tmp_path, again, clock, 400)
    trainer.train()
    assert trainer.seen.failures == 1
    assert trainer.saved.count(400) == 1
    assert not json.loads((tmp_path / "advisor.json").read_text())["advisor"]["open"]
    over = Trainer(tmp_path, AdvisedSaves(JOB, clock=clock), clock, 10)
    over.train()
    assert over.seen.failures == 1  # that one ended in order


def test_training_stops_when_the_last_save_before_an_end_is_there(tmp_path: Path) -> None:
    clock = Clock()
    callback = AdvisedSaves(JOB, tmp_path / "a.json", clock=clock)
    with pytest.raises(DomainError, match="expected to be called while training"):
        callback.warned(30.0)
    trainer = Trainer(tmp_path, callback, clock, 500)
    trainer.train(act=lambda step: callback.warned(SAVE_S + 90.0, True) if step == 50 else None)
    assert trainer.saved[0] == 50
    assert trainer.state.global_step < 55
    assert (tmp_path / "a.json").exists()


def test_the_newest_checkpoint_is_whole_and_not_the_highest(tmp_path: Path) -> None:
    """One of a training before, one cut off by a kill before its last file, and one cut off in it."""
    for age, (step, content) in enumerate([(900, "{}"), (20, "{}"), (30, None), (40, '{"global_step": 4')]):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if content is not None:
            (folder / "trainer_state.json").write_text(content)
            os.utime(folder / "trainer_state.json", (1e9 + age, 1e9 + age))
    assert newest_checkpoint(tmp_path) == str(tmp_path / "checkpoint-20")
