"""What one life of the trainer process holds, its time, and where it stops for a failure that is planned."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from validation.case import Case
from validation.checkpoint.background import BackgroundStore
from validation.checkpoint.store import Store
from validation.claim import Claim
from validation.data.batch import Cursor
from validation.data.sources import open_source
from validation.model.dlrm import DLRM
from validation.placement import Placement, resolve_device
from validation.shards.client import ShardClients, Timeouts
from validation.shards.layout import layout_of
from validation.shards.meeting import Meeting
from validation.training.advice import Advice
from validation.training.clock import EmulatedClock
from validation.training.control import Control
from validation.training.dense import DenseState
from validation.training.journal import Journal
from validation.training.replica import Replica

__all__ = ["Life", "build_model"]


def build_model(case: Case, dense_features: int, tables: int, place: Placement) -> tuple[DLRM, torch.optim.Adagrad]:
    """The DLRM of a case with its first weights, from the seed alone, and its optimizer."""
    torch.manual_seed(case.training.seed)
    section = case.model
    model = DLRM(dense_features, tables, section.embedding_dim, section.dense_arch, section.over_arch)
    place.put_module(model)
    return model, torch.optim.Adagrad(model.parameters(), lr=case.training.dense_lr)


class Life:
    """The model, the data, the shards and the place in the run."""

    def __init__(self, case: Case, claim: Claim, meeting: Meeting, control: Control) -> None:
        claim.check()  # before anything in the folder is opened
        folder = Path(claim.folder)
        self.case, self.control = case, control
        torch.set_num_threads(case.training.threads)
        self.place = Placement(resolve_device(case.training.device))
        resolve_device(case.shards.device, "shards.device")
        self.source = open_source(case)
        self.layout = layout_of(case.shards.placement, self.source.num_embeddings, case.shards.count)
        tables = len(self.layout.num_embeddings)
        self.model, self.optimizer = build_model(case, self.source.dense_features, tables, self.place)
        self.dense = DenseState(self.model, self.optimizer, self.place)
        self.first_dense = self.dense.flat()
        self.replica = Replica(folder / "replica.bin", self.dense.numbers, claim.run, self.damaged_copy)
        timeouts = Timeouts(case.timeouts.start_s, case.timeouts.shard_s)
        self.clients = ShardClients(case.shards.count, meeting, timeouts)
        self.store: Store = _store(case, folder, self.clients, control.tell, claim)
        self.journal = Journal(folder / "journal", claim.run) if case.journal else None
        self.step = 0
        self.cursor: Cursor | None = None
        self.generation = 0
        self.executed = self.highest = 0
        self.triggers: list[dict[str, Any]] = []
        self.saved_step = 0  # the step of the last save
        self.saved_before = 0  # ... that is complete, while one is written in the background
        self.ahead = False  # whether shards may have applied the step after this one
        self.waited_s = 0.0  # for recoveries and for planned failures; no part of a step
        times = case.training.tests
        self.tested_at = {round(case.steps * number / times) for number in range(1, times)}
        self.tested = 0  # the step of the last test
        self.advice: Advice | None = None
        self.folder = folder
        self.charged = case.charged
        self.clock: EmulatedClock | None = None
        if self.charged:
            self.clock = EmulatedClock(lambda number: self.struck(number))
            control.stamp = lambda: {"clock_s": self.clock.now_s if self.clock else 0.0}

    def damaged_copy(self, reason: str) -> None:
        """The copy of the trainer's state, or half of it, is as good as not there."""
        self.control.tell("corrupt", file="replica.bin", reason=reason)

    def now(self) -> float:
        """By the run's clock [s]."""
        return self.clock.now_s if self.clock else self.control.now()

    def struck(self, number: int) -> list[dict[str, Any]]:
        """Have a failure carried out; the ones to come."""
        self.triggers = self.control.ask("at", number=number)["triggers"]
        return self.triggers

    def hook(self, phase: str) -> None:
        """Where the plan says so, stop until the supervisor has done its killing."""
        if self.clock and self.charged and phase in ("lookup", "update"):
            self.clock.spend(self.charged.step_s / 2)
        while due := [t for t in self.triggers if t.get("phase") == phase and self.executed >= t["at_step"]]:
            begin = time.monotonic()
            triggers = self.struck(due[0]["number"])
            if self.clock:
                self.clock.triggers = triggers
            if phase in ("update", "applied"):
                self.waited_s += time.monotonic() - begin


def _store(case: Case, folder: Path, clients: ShardClients, tell: Callable[..., None], claim: Claim) -> Store:
    if case.checkpoint.backend == "dcp":
        from validation.checkpoint.dcp import DcpStore

        return DcpStore(folder / "checkpoints", clients, tell, claim)
    kind = BackgroundStore if case.checkpoint.background else Store
    store = kind(case.checkpoints_of(claim.run, folder), clients, tell, claim, case.strategy.rotate)
    store.tell_rows = case.journal and case.strategy.order is not None
    store.bandwidth_bytes_per_s = case.checkpoint.bandwidth_bytes_per_s
    return store
