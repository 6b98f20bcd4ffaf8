"""The trainer: steps, saves, and what it does when a shard is lost.

Exactly once. An update carries its step and the trainer's generation. A shard applies a step once; a shard of a
later generation refuses it. When a shard is lost in the middle of a step, the others keep what they did, and the
lost one, loaded, gets this step's update before anybody goes on: nobody misses a step unknowingly.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from validation.case import Case
from validation.checkpoint.store import Store
from validation.data.batch import Batch, Cursor, DataError
from validation.data.sources import open_source
from validation.model.dlrm import DLRM, train_step
from validation.placement import Placement, resolve_device
from validation.shards.client import Request, ShardClients, ShardsLost, Timeouts
from validation.shards.layout import Segments, layout_of
from validation.training.advice import Advice
from validation.training.clock import EmulatedClock
from validation.training.control import Control
from validation.training.dense import DenseState
from validation.training.journal import Journal
from validation.training.replica import Replica

__all__ = ["RolledBack", "Trainer", "build_model"]


class RolledBack(Exception):
    """Everybody returned to a checkpoint: training goes on from there."""


def build_model(case: Case, dense_features: int, tables: int, place: Placement) -> tuple[DLRM, torch.optim.Adagrad]:
    """The DLRM of a case with its first weights, from the seed alone, and its optimizer."""
    torch.manual_seed(case.training.seed)
    section = case.model
    model = DLRM(dense_features, tables, section.embedding_dim, section.dense_arch, section.over_arch)
    place.put_module(model)
    return model, torch.optim.Adagrad(model.parameters(), lr=case.training.dense_lr)


class Trainer:
    """One life of the trainer process."""

    def __init__(self, case: Case, folder: Path, run_key: str, control: Control) -> None:
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
        self.replica = Replica(folder / "replica.bin", self.dense.numbers)
        timeouts = Timeouts(case.timeouts.start_s, case.timeouts.shard_s)
        self.clients = ShardClients(case.shards.count, run_key, timeouts)
        self.store: Store = _store(case, folder / "checkpoints", self.clients, control.tell)
        self.journal = Journal(folder / "journal") if case.journal else None
        self.step = 0
        self.cursor: Cursor | None = None
        self.generation = 0
        self.executed = self.highest = 0
        self.triggers: list[dict[str, Any]] = []
        self.saved_step = 0  # the step of the last save
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

    def run(self, start: dict[str, Any]) -> None:
        """From the supervisor's first message to the last step and the test."""
        self.executed, self.highest = start["executed"], start["highest"]
        self.begin(start)
        while True:
            try:
                self.train()
                if self.clock and self.clock.struck:  # in the last step, after the victim had answered
                    self.robust({shard: ({"op": "hello"}, ()) for shard in self.clients.all()})
                self.control.tell("trained", step=self.step)
                if self.case.training.evaluate:
                    self.evaluate()
                self.tell_digests()
                break
            except RolledBack:  # while testing, too
                continue
        for remark in self.source.remarks():
            self.control.tell("remark", text=remark)

    def begin(self, start: dict[str, Any]) -> None:
        """Stand where the supervisor says: at a checkpoint (or the beginning), or where the peer's copy is."""
        decision, again = start, False
        if self.clock:
            self.clock.now_s = start["clock_s"]
        if self.case.strategy.advised:
            self.advice = Advice(self.case, self.folder, self.now, self.control.tell)
        while True:
            decision = self.obey(decision, again)
            try:
                copy = self.replica.read()
                if copy is not None:
                    self.tell_unheard(copy[0])
                if copy is None or decision["rolls_back"] == "everybody":
                    self.roll_back()
                    if self.store.newest_step < 0 and not self.save(charged=False):
                        self.control.tell("remark", text="no first checkpoint: a roll-back begins at step 0")
                else:
                    self.stand_at(copy[0]["step"], copy[0]["cursor"])
                    self.dense.set_flat(copy[1])
                    self.rejoin()
                if self.advice:
                    self.advice.began(start["stood"], self.step, self.saved_step)
                self.control.tell("ready", generation=self.generation, step=self.step, mode=decision["rolls_back"])
                return
            except ShardsLost as lost:
                decision, again = self.ask_about(lost), True
            except RolledBack:
                self.control.tell("ready", generation=self.generation, step=self.step, mode="everybody")
                return

    def tell_unheard(self, copy: dict[str, Any]) -> None:
        """Steps that were done and, for a process died first, never told."""
        for step in range(self.highest + 1, copy["step"] + 1):
            self.executed += 1
            self.control.tell("step", step=step, samples=copy["samples"], loss=None, replayed=False, unheard=True)
        self.highest = max(self.highest, copy["step"])

    def train(self) -> None:
        """Steps until the last one; a checkpoint after every interval."""
        batches = self.source.train(self.cursor)
        while self.step < self.case.steps:
            if self.due() and not self.ahead:  # not where shards have done a step that the trainer has not
                self.save()
            if self.step in self.tested_at and self.step > self.tested:
                self.evaluate()
            begin = time.perf_counter()
            batch, cursor = next(batches)
            self.one_step(self.step + 1, batch, cursor, time.perf_counter() - begin)

    def now(self) -> float:
        """By the run's clock [s]."""
        return self.clock.now_s if self.clock else time.monotonic()

    def due(self) -> bool:
        """Whether there is something to save that a save was planned for."""
        strategy = self.case.strategy
        if self.advice:
            return self.step > self.saved_step and self.advice.due
        if strategy.save_steps is not None:
            return any(self.saved_step < step <= self.step for step in strategy.save_steps)
        every = strategy.saves_every_steps
        return self.step // every > self.saved_step // every

    def one_step(self, step: int, batch: Batch, cursor: Cursor, data_s: float) -> None:
        """Lookup, forward and backward, update, and the copy that a peer would hold."""
        self.executed += 1
        self.hook("lookup")
        times, waited = [time.perf_counter()], self.waited_s
        segments = self.layout.split(batch.ids)
        rows = self.lookup(segments)
        times.append(time.perf_counter())
        in_lookup = self.waited_s - waited
        loss, gradient = train_step(self.model, self.optimizer, self.place, batch, rows, segments.inverse)
        gradients = self.place.back(gradient)
        times.append(time.perf_counter())
        waited = self.waited_s
        self.hook("update")
        self.update(step, segments, gradients)
        times.append(time.perf_counter())
        in_update = self.waited_s - waited
        self.step, self.cursor, self.ahead = step, cursor, False
        self.replica.write({"step": step, "cursor": cursor, "samples": len(batch)}, self.dense.flat())
        times.append(time.perf_counter())
        lookup, compute, update, copy = np.diff(times)
        self.control.tell(
            "step",
            step=step,
            samples=len(batch),
            updates=np.diff(segments.bounds).tolist(),
            loss=float(self.place.back(loss)),
            replayed=step <= self.highest,
            data_s=round(data_s, 6),
            lookup_s=round(lookup - in_lookup, 6),
            compute_s=round(compute, 6),
            update_s=round(update - in_update, 6),
            copy_s=round(copy, 6),
        )
        self.highest = max(self.highest, step)
        if self.advice:
            self.advice.due = self.advice.advisor.step()

    def lookup(self, segments: Segments) -> Any:
        """The batch's distinct rows."""
        requests: dict[int, Request] = {
            shard: ({"op": "lookup"}, (segments.local[segments.of(shard)],)) for shard in self.clients.all()
        }
        replies = self.robust(requests)
        return np.concatenate([replies[shard][1][0] for shard in self.clients.all()])

    def update(self, step: int, segments: Segments, gradients: Any) -> None:
        """Send every shard its gradients; each applies the step once."""
        where = {shard: segments.of(shard) for shard in self.clients.all()}
        parts = {shard: (segments.local[part], gradients[part]) for shard, part in where.items()}
        requests: dict[int, Request] = {
            shard: ({"op": "update", "step": step}, part) for shard, part in parts.items()
        }

        def announce(shards: Mapping[int, Any]) -> None:
            if self.journal:
                for shard in shards:
                    self.journal.write("update", *parts[shard], shard=shard, step=step)

        replies = self.robust(requests, announce, lambda: self.hook("applied"))
        known = [shard for shard, (header, _) in replies.items() if not header["applied"]]
        if known:
            wrong = {shard: replies[shard][0] for shard in known if replies[shard][0]["step"] != step}
            if wrong:
                raise RuntimeError(f"shards refuse step {step} of generation {self.generation}: {wrong}")
            self.control.tell("redo", step=step, applied=known)
        if self.journal:
            applied = {shard: header["applied"] for shard, (header, _) in replies.items()}
            self.journal.write("applied", step=step, applied=applied)

    def robust(
        self,
        requests: dict[int, Request],
        announce: Callable[[Mapping[int, Any]], None] = lambda shards: None,
        sent: Callable[[], None] | None = None,
    ) -> dict[int, tuple[dict[str, Any], list[Any]]]:
        """Ask until every shard has answered; shards that are lost meanwhile are recovered, and asked again."""
        done: dict[int, tuple[dict[str, Any], list[Any]]] = {}
        while True:
            left = {
                shard: ({**header, "generation": self.generation}, arrays)
                for shard, (header, arrays) in requests.items()
                if shard not in done
            }
            announce(left)
            begin = time.monotonic()
            try:
                done |= self.clients.exchange(left, sent)
                return done
            except ShardsLost as lost:
                done |= lost.replies
                self.waited_s += time.monotonic() - begin  # a silent shard's deadline, too
                reloaded = self.recover(lost)
                done = {shard: reply for shard, reply in done.items() if shard not in reloaded}

    def recover(self, lost: ShardsLost) -> set[int]:
        """Ask what to do about lost shards and do it; those that were loaded. RolledBack when everybody was."""
        begin = time.monotonic()
        reloaded: set[int] = set()
        again = False
        while True:
            decision = self.ask_about(lost)
            decision = self.obey(decision, again)
            try:
                if decision["rolls_back"] == "everybody":
                    self.roll_back()
                else:
                    self.rejoin(reloaded)
            except ShardsLost as more:
                lost, again = more, True
                continue
            self.waited_s += time.monotonic() - begin
            self.control.tell(
                "recovered",
                rolls_back=decision["rolls_back"],
                generation=self.generation,
                step=self.step,
                seconds=time.monotonic() - begin,
            )
            if self.advice:
                self.advice.overcome()
            if decision["rolls_back"] == "everybody":
                raise RolledBack
            if self.clock:
                self.clock.recovered()
            return reloaded

    def obey(self, decision: dict[str, Any], again: bool) -> dict[str, Any]:
        """Begin what the supervisor has decided; ``again``: what it decided before did not come to its end.

        In emulated time the stop passes first. A failure that strikes it is known at once, for whoever it takes may
        not be connected yet; the supervisor decides anew, for all that is pending.
        """
        while True:
            self.generation, self.triggers = decision["generation"], decision["triggers"]
            if self.advice:
                self.advice.strikes = decision["strikes"]
            if self.clock is None:
                return decision
            self.clock.triggers = self.triggers
            if not decision["new"]:  # a loss that was noticed late: the stop has passed already
                return decision
            if decision["rolls_back"] == "everybody":
                self.clock.drop()
            stop = {"reschedule_s": decision["reschedule_s"], "load_s": decision["load_s"]}
            self.control.tell("recovering", **stop)
            self.clock.recovering(sum(stop.values()), again)
            if not self.clock.struck:
                return decision
            decision, again = self.control.ask("lost", shards={}), True

    def struck(self, number: int) -> list[dict[str, Any]]:
        """Have a failure carried out; the ones to come."""
        self.triggers = self.control.ask("at", number=number)["triggers"]
        return self.triggers

    def ask_about(self, lost: ShardsLost) -> dict[str, Any]:
        causes = {
            shard: {"cause": cause, "incarnation": self.clients.incarnations.get(shard)}
            for shard, cause in lost.causes.items()
        }
        return self.control.ask("lost", shards=causes)

    def connect(self) -> dict[int, dict[str, Any]]:
        """Reach all shards; the journal learns which step each has applied."""
        found = self.clients.connect(self.generation)
        if self.journal:
            steps = {shard: header["step"] for shard, header in found.items() if not header["empty"]}
            self.journal.write("hello", steps=steps)
        return found

    def rejoin(self, reloaded: set[int] | None = None) -> None:
        """Reach all shards; those that are empty return to their last checkpoint, nobody else does."""
        found = self.connect()
        empty = [shard for shard, header in found.items() if header["empty"]]
        self.ahead = self.ahead or any(header["step"] > self.step for header in found.values())
        if not empty:
            return
        if reloaded is not None:
            reloaded |= set(empty)
        loaded = self.store.load_shards(empty, self.generation, lambda: self.hook("recovery"))
        if self.journal:
            for shard, (sequence, digest) in loaded.items():
                self.journal.write("load", shard=shard, sequence=sequence, digest=digest)
        self.clients.exchange({shard: ({"op": "settle"}, ()) for shard in empty})

    def roll_back(self) -> None:
        """Everybody returns to the last complete checkpoint, and the data to where it was."""
        self.connect()
        self.replica.clear()
        found = self.store.load_everybody(self.generation, lambda: self.hook("recovery"))
        if found is None:
            self.stand_at(0, None)
            self.dense.set_flat(self.first_dense)
        else:
            manifest, arrays = found
            self.stand_at(manifest.step, manifest.cursor or None)
            self.dense.set_named(arrays)
        self.replica.write({"step": self.step, "cursor": self.cursor, "samples": 0}, self.dense.flat())
        if self.journal:
            digests = {
                shard: header["digest"] for shard, (header, _) in self.clients.broadcast({"op": "digest"}).items()
            }
            self.journal.write("load_all", sequence=found[0].sequence if found else None, digests=digests)
        self.clients.broadcast({"op": "settle"})

    def stand_at(self, step: int, cursor: Cursor | None) -> None:
        self.step, self.cursor, self.ahead = step, cursor, False
        self.saved_step = max(self.store.newest_step, 0)

    def save(self, charged: bool = True) -> bool:
        """A checkpoint of what stands now; begun again when shards die meanwhile."""
        while True:
            begin = self.now()
            try:
                self.control.tell("begin_save")
                if self.clock and self.charged and charged:
                    self.clock.spend(self.charged.save_s * self.case.strategy.fraction)
                saved = self.store.save(
                    self.step,
                    self.generation,
                    self.cursor or {},
                    self.dense.named(),
                    lambda: self.hook("save"),
                    lambda sequence: self.journal.write("saving", sequence=sequence) if self.journal else None,
                )
            except ShardsLost as lost:
                if self.clock:
                    self.clock.drop()
                self.recover(lost)
                continue
            self.saved_step = self.step  # or tried to, which is as good until the next
            if self.advice and saved and charged:
                self.advice.saved(self.now() - begin)
            return saved

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

    def evaluate(self) -> None:
        """AUC and log loss of the test samples; nothing learns from them."""
        from sklearn.metrics import log_loss, roc_auc_score

        labels, scores = [], []
        for batch in self.source.test():
            segments = self.layout.split(batch.ids)
            rows = self.lookup(segments)
            with torch.no_grad():
                put = self.place.put
                logits = self.model(put(batch.dense), put(rows), put(segments.inverse), put(batch.offsets))
                scores.append(self.place.back(torch.sigmoid(logits)))
            labels.append(batch.labels)
            self.control.tell("alive")
        if not labels:
            raise DataError("the data: expected at least one test sample")
        label, score = np.concatenate(labels), np.concatenate(scores).astype(np.float64)
        both = len(np.unique(label)) == 2
        self.control.tell(
            "metric",
            auc=float(roc_auc_score(label, score)) if both else None,
            log_loss=float(log_loss(label, score, labels=[0, 1])),
            samples=len(label),
            step=self.step,
        )
        self.tested = self.step

    def tell_digests(self) -> None:
        """Checksums of everything learned."""
        replies = self.robust({shard: ({"op": "digest"}, ()) for shard in self.clients.all()})
        shards = [replies[shard][0]["digest"] for shard in self.clients.all()]
        if self.journal:
            self.journal.write("end", digests=shards)
        own = hashlib.sha256(self.dense.flat().tobytes()).hexdigest()
        self.control.tell("digest", shards=shards, trainer=own)


def _store(case: Case, folder: Path, clients: ShardClients, tell: Callable[..., None]) -> Store:
    if case.checkpoint.backend == "dcp":
        from validation.checkpoint.dcp import DcpStore

        return DcpStore(folder, clients, tell)
    return Store(folder, clients, tell)


def main(config_path: str) -> None:
    """The life of a trainer process."""
    from cprmodel.facts.errors import CprModelError
    from validation.processes.parent import watch_parent
    from validation.training.control import SupervisorGone

    watch_parent()
    key = os.environ.pop("CPRMODEL_RUN_KEY")
    config = json.loads(Path(config_path).read_text())
    case = Case.model_validate(config["case"])
    control = Control(key, case.timeouts.start_s)
    try:
        trainer = Trainer(case, Path(config["folder"]), key, control)
        trainer.run(control.receive())
        control.tell("done")  # before any shard ends, which would look like a death
        with contextlib.suppress(ShardsLost):
            trainer.clients.broadcast({"op": "stop"})
    except CprModelError as error:
        control.tell("fatal", text=str(error))
    except OSError as error:
        name = error.filename or "the run's folder"
        control.tell(
            "fatal", text=f"{name}: expected a file that can be read or written ({error.strerror or error})"
        )
    except SupervisorGone:
        os._exit(1)
