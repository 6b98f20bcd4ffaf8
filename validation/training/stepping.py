"""Steps and tests: what passes between the trainer and its shards in each."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from validation.data.batch import Batch, Cursor, DataError
from validation.model.dlrm import train_step
from validation.shards.client import Request
from validation.shards.layout import Segments
from validation.training.recovering import Recovering

__all__ = ["Stepping"]


class Stepping(Recovering):
    """A life that trains, and that tests what it has learned."""

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
