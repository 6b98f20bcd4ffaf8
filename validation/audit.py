"""What shards must hold, from the journal of updates alone, by arithmetic of its own: one row at a time.

It shares nothing with the shards but the first rows, and must agree with them to the last bit after every reload
and at the end.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cprmodel.checkpoints.files import CorruptError
from validation.case import Case
from validation.data.tables import num_embeddings_of
from validation.ordered_audit import RowAccount
from validation.shards.layout import layout_of
from validation.shards.rows import ADAGRAD_EPS, initial_rows
from validation.training.journal import read_journals

__all__ = ["Audit", "audit"]


@dataclass
class Audit:
    """What an audit found."""

    compared: int = 0
    wrong: list[str] = field(default_factory=list)
    updates: int = 0
    held_steps: dict[int, set[int]] = field(default_factory=dict)  # for each shard, the steps it holds at the end
    choices: int = 0  # in an order: of rows to save, that were looked at
    lost_updates: list[tuple[int, int]] = field(default_factory=list)  # in an order: shard, updates gone by a load


class _Shard:
    def __init__(self, rows: Any, adagrad: bool) -> None:
        self.rows = rows
        self.sums = np.zeros(len(rows), dtype=np.float32) if adagrad else None
        self.steps: set[int] = set()
        self.twice = False  # whether a step was applied that it held already
        self.pending: tuple[int, Any, Any] | None = None  # sent, and not yet known to be applied

    def copy(self) -> _Shard:
        other = _Shard(self.rows.copy(), False)
        other.sums = None if self.sums is None else self.sums.copy()
        other.steps, other.twice = set(self.steps), self.twice
        return other

    def apply(self, lr: np.float32) -> None:
        assert self.pending
        step, ids, gradients = self.pending
        self.twice |= step in self.steps
        self.pending = None
        for row, gradient in zip(ids, gradients, strict=True):
            if self.sums is None:
                self.rows[row] = self.rows[row] - lr * gradient
                continue
            self.sums[row] = self.sums[row] + np.mean(gradient * gradient)
            self.rows[row] = self.rows[row] - lr / (np.sqrt(self.sums[row]) + np.float32(ADAGRAD_EPS)) * gradient
        self.steps.add(step)

    def digest(self) -> str:
        found = hashlib.sha256(self.rows.tobytes())
        if self.sums is not None:
            found.update(self.sums.tobytes())
        return found.hexdigest()


def audit(case: Case, folder: Path) -> Audit:
    """Replay a run's journal and compare; a journal that is damaged, or another run's, is wrong."""
    sizes = num_embeddings_of(case)
    layout = layout_of(case.shards.placement, sizes, case.shards.count)
    lr = np.float32(case.training.embedding_lr)
    adagrad = case.training.embedding_optimizer == "rowwise_adagrad"

    def fresh(shard: int) -> _Shard:
        flat = layout.flat_of(shard)
        seed = case.training.seed
        return _Shard(initial_rows(flat, sizes, layout.first, case.model.embedding_dim, seed, shard), adagrad)

    out = Audit()
    shards = {shard: fresh(shard) for shard in range(case.shards.count)}
    kept: dict[int, dict[int, _Shard]] = {}
    ordered = case.strategy.order  # ... or rows, where some are saved before others
    accounts = {
        number: RowAccount(ordered, case.strategy.fraction, one.rows, one.sums)
        for number, one in shards.items()
        if ordered
    }
    turns: dict[int, int] = {}  # where saves rotate: the first shard in the save after this one

    def apply(number: int) -> None:
        shard = shards[number]
        if number in accounts and shard.pending:
            accounts[number].updated(shard.pending[1])
        shard.apply(lr)

    def load(shard: int, sequence: int | None, digest: str) -> None:
        if sequence is not None and sequence not in kept:
            out.wrong.append(f"shard {shard}, loaded from {sequence}, of which the journal does not know")
            return
        shards[shard] = fresh(shard) if sequence is None else kept[sequence][shard].copy()
        if shard in accounts:
            disk, lost = accounts[shard].loaded(sequence)
            shards[shard].rows = disk.rows.copy()
            shards[shard].sums = None if disk.sums is None else disk.sums.copy()
            if sequence is not None or lost:  # not where nothing was learned yet
                out.lost_updates.append((shard, lost))
        compare(shard, digest, f"loaded from {sequence}")

    def compare(shard: int, digest: str, when: str) -> None:
        out.compared += 1
        if shards[shard].digest() != digest:
            out.wrong.append(f"shard {shard}, {when}")

    try:
        for header, arrays in read_journals(folder / "journal"):
            entry = header["entry"]
            if entry == "update":
                shards[header["shard"]].pending = (header["step"], *arrays)
            elif entry == "hello":
                for text, step in header["steps"].items():
                    shard = shards[int(text)]
                    if shard.pending and step >= shard.pending[0]:
                        apply(int(text))
                    shard.pending = None
                    if accounts:
                        accounts[int(text)].stands_on(header["checkpoints"][text])
            elif entry == "applied":
                for text, applied in header["applied"].items():
                    shard = shards[int(text)]
                    if applied and shard.pending:
                        apply(int(text))
                    shard.pending = None
                out.updates += 1
            elif entry == "saving":
                sequence: int = header["sequence"]
                after: int | None = header.get("after")
                taken, turns[sequence], older = set(shards), 0, shards
                if after is not None and case.strategy.rotate:  # whose turn it is, by the audit's own count
                    older = kept[after]
                    begin, turns[sequence] = turns[after], (turns[after] + case.strategy.rotate) % len(shards)
                    taken = {(begin + more) % len(shards) for more in range(case.strategy.rotate)}
                kept[sequence] = {
                    number: shard.copy() if number in taken else older[number] for number, shard in shards.items()
                }
                rows = dict(zip(header.get("rows_of", ()), arrays, strict=True))
                for number, account in accounts.items():
                    on, ticks = header["on"][str(number)]
                    one = shards[number]
                    said = account.saving(sequence, rows.get(number), on, ticks, one.rows, one.sums)
                    out.wrong += [f"shard {number}: {text}" for text in said]
                    out.choices += number in rows
            elif entry in ("saved", "void"):
                for account in accounts.values():
                    account.complete() if entry == "saved" else account.void()
            elif entry == "load":
                load(header["shard"], header["sequence"], header["digest"])
            elif entry == "load_all":
                for text, digest in header["digests"].items():
                    load(int(text), header["sequence"], digest)
            elif entry == "end":
                out.wrong += [
                    f"shard {number} holds a step twice" for number, shard in shards.items() if shard.twice
                ]
                for number, digest in enumerate(header["digests"]):
                    compare(number, digest, "at the end")
    except CorruptError as error:
        out.wrong.append(f"the journal: {error}")
    out.held_steps = {number: shard.steps for number, shard in shards.items()}
    return out
