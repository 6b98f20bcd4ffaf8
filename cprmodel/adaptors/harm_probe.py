"""PyTorch: a probe that watches one training run and writes ``harm.json`` (``pip install torch``).

The probe is given held-out samples once. It copies, at a few moments, the rows that these samples look up, which
are few. At a few points of the run one forward and one backward pass over the samples, and a forward pass with the
rows as they were at each age, say what putting rows back would cost (:mod:`cprmodel.harm.record`).
Training itself goes on bit by bit as without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cprmodel.facts.errors import DomainError
from cprmodel.harm.probing import Losses, TableSeen, Then, losses_of, table_harm, whole_state
from cprmodel.harm.record import HarmRecord, OptimizerUsed, Point, write_harm

if TYPE_CHECKING:
    import torch

__all__ = ["HarmProbe", "Lookup", "ages_of", "optimizer_used", "sums_of"]

_CHUNK = 1024  # samples in a forward pass
_COUNTED_STEPS = 500  # of a run: whose lookups are counted, at least


@dataclass(frozen=True)
class Lookup:
    """What samples look up in one table, as ``nn.EmbeddingBag`` takes it.

    ``offsets``: where each sample's ids begin; None where each sample has one id.
    """

    ids: Any
    offsets: Any | None = None


def optimizer_used(optimizer: torch.optim.Optimizer) -> OptimizerUsed:
    """What a torch optimizer (SGD, Adagrad, Adam, SparseAdam) is, by its first group of parameters.

    DomainError for others: say it yourself with :class:`cprmodel.harm.record.OptimizerUsed`.
    """
    name = type(optimizer).__name__
    group = optimizer.param_groups[0]
    if name == "SGD" and not group["momentum"]:
        return OptimizerUsed(name="sgd", learning_rate=group["lr"])
    if name == "Adagrad" and not group["lr_decay"]:
        return OptimizerUsed(name="adagrad", learning_rate=group["lr"], eps=group["eps"])
    if name in ("Adam", "SparseAdam"):
        first, second = group["betas"]
        return OptimizerUsed(
            name="adam",
            learning_rate=group["lr"],
            eps=group["eps"],
            beta_1=first,
            beta_2=second,
            lazy=name == "SparseAdam",
        )
    known = "SGD without momentum, Adagrad without lr_decay, Adam or SparseAdam"
    raise DomainError(f"optimizer_used: {name}: expected {known}")


def sums_of(optimizer: torch.optim.Optimizer, weight: torch.Tensor) -> torch.Tensor | None:
    """What a torch optimizer divides a table's steps by the root of; None for SGD, or before the first step."""
    state = optimizer.state.get(weight, {})
    if "sum" in state:
        return state["sum"]  # type: ignore[no-any-return]
    if "exp_avg_sq" not in state:
        return None
    decay = next(g["betas"][1] for g in optimizer.param_groups if any(p is weight for p in g["params"]))
    return state["exp_avg_sq"] / (1 - decay ** float(state["step"]))  # type: ignore[no-any-return]


def ages_of(samples: int, number: int = 4) -> tuple[int, ...]:
    """Ages to look at in a run of so many samples: from a 64th of it on, each twice the one before.

    >>> ages_of(640_000)
    (10000, 20000, 40000, 80000)
    """
    return tuple(max(1, samples * 2**power // 64) for power in range(number))


class HarmProbe:
    """Watches a run; :meth:`record` is what it saw.

    Parameters
    ----------
    tables : each embedding table's weight [rows, D] by its name: the live tensor
    lookups : what the probe samples look up in each table
    labels : their labels, 0 or 1
    logits : gives the logits of some of the probe samples, a slice of them, from the pooled vectors of each table
        (a mapping of name → [samples, D]): the model without its tables. Put dropout out of use in it.
    optimizer : how the rows are trained (:func:`optimizer_used`)
    sums : gives, by a table's name, what the optimizer divides by the root of: Adagrad's sums [rows] or [rows, D],
        Adam's mean squares (:func:`sums_of`); None for SGD
    batch_size, samples : samples per step, and of the whole run
    points : after how many samples to look; default: a third, two thirds and all of the run
    ages : how many samples ago rows are compared with; default: :func:`ages_of`. A point looks at those that fit.
    left : numbers of samples after which to say what is left; default: the run halved again and again
    pooling : ``sum`` or ``mean``: what the tables do with a sample's rows
    each_table : also find the true rise for each table alone, a forward pass a table
    count_every : count the lookups of every so-many-th step; default: of some 500 steps of the run, at least

    Call :meth:`step` after every step of training, with what the batch looked up.
    """

    def __init__(
        self,
        tables: Mapping[str, torch.Tensor],
        lookups: Mapping[str, Lookup],
        labels: Any,
        logits: Callable[[Mapping[str, torch.Tensor], slice], torch.Tensor],
        optimizer: OptimizerUsed,
        sums: Callable[[str], torch.Tensor | None] = lambda name: None,
        *,
        batch_size: int,
        samples: int,
        points: Sequence[int] | None = None,
        ages: Sequence[int] | None = None,
        left: Sequence[int] | None = None,
        pooling: str = "sum",
        each_table: bool = False,
        count_every: int | None = None,
    ) -> None:
        if pooling not in ("sum", "mean"):
            raise DomainError(f'HarmProbe: pooling = "{pooling}": expected "sum" or "mean"')
        every = max(1, samples // (_COUNTED_STEPS * max(1, batch_size))) if count_every is None else count_every
        for field, value in (("batch_size", batch_size), ("samples", samples), ("count_every", every)):
            if not value >= 1:
                raise DomainError(f"HarmProbe: {field} = {value}: expected at least 1")
        self.labels = np.asarray(_back(labels), dtype=float)
        if self.labels.ndim != 1 or len(self.labels) < 2 or not np.isin(self.labels, (0, 1)).all():
            raise DomainError("HarmProbe: labels: expected 0 or 1 for each of at least two samples")
        if set(tables) != set(lookups) or not tables:
            raise DomainError(f"HarmProbe: lookups: expected those of {', '.join(sorted(tables)) or 'a table'}")
        self.tables, self.logits, self.optimizer, self.sums = dict(tables), logits, optimizer, sums
        self.batch_size, self.samples, self.each_table = int(batch_size), int(samples), each_table
        self._seen = {
            name: _seen(name, len(tables[name]), lookups[name], len(self.labels), pooling) for name in tables
        }
        self._counts = {name: np.zeros(len(weight), dtype=np.uint32) for name, weight in tables.items()}
        self._at = self._counted = self._steps = 0
        self._count_every = int(every)
        chosen = ages_of(self.samples) if ages is None else ages
        self._ages = sorted({self._whole_steps(age) for age in chosen})
        wanted = points or (samples // 3, 2 * samples // 3, samples)
        last = max(1, self.samples // self.batch_size) * self.batch_size
        self._points = sorted({min(last, self._whole_steps(point)) for point in wanted})
        self._left = sorted({int(n) for n in left}) if left else _halved(self.samples)
        if self._points[0] < self._ages[0]:
            raise DomainError(f"HarmProbe: points: expected none before the youngest age ({self._ages[0]})")
        self._moments = {point - age for point in self._points for age in self._ages if age <= point}
        self._copies: dict[int, dict[str, Then]] = {}
        self._found: list[Point] = []
        self._copy_if_due()

    def step(self, looked_up: Mapping[str, Any], batch_size: int | None = None) -> Point | None:
        """A step of training is over; ``looked_up``: the ids of its batch by table. What was seen, at a point."""
        size = batch_size or self.batch_size
        self._at += size
        if self._steps % self._count_every == 0:
            self._counted += size
            for name, ids in looked_up.items():
                np.add.at(self._counts[name], np.asarray(_back(ids)), np.uint32(1))
        self._steps += 1
        self._copy_if_due()
        if self._points and self._at >= self._points[0]:
            self._points.pop(0)
            point = self._look()
            self._found.append(point)
            needed = {at - age for at in self._points for age in self._ages}
            self._copies = {at: copy for at, copy in self._copies.items() if at in needed}
            return point
        return None

    @property
    def nbytes(self) -> int:
        """Memory that copies of rows and counts of accesses take [B]."""
        held = sum(
            then.values.nbytes + (0 if then.sums is None else then.sums.nbytes)
            for copy in self._copies.values()
            for then in copy.values()
        )
        return int(held + sum(counts.nbytes for counts in self._counts.values()))

    def record(self) -> HarmRecord:
        """All points seen so far; DomainError before the first one."""
        if not self._found:
            raise DomainError(f"HarmProbe: expected a first point, which comes after {self._points[0]} samples")
        return HarmRecord(
            samples=max(self.samples, self._at),
            batch_size=self.batch_size,
            probe_samples=len(self.labels),
            optimizer=self.optimizer,
            points=tuple(self._found),
        )

    def write(self, path: str | Path) -> None:
        """Write :meth:`record` to a file, whole or not at all."""
        write_harm(self.record(), path)

    # -- copies ---------------------------------------------------------------------------------------------------

    def _whole_steps(self, samples: int) -> int:
        return max(1, round(samples / self.batch_size)) * self.batch_size

    def _copy_if_due(self) -> None:
        due = {moment for moment in self._moments if moment <= self._at}
        if due:
            self._moments -= due
            copy = self._rows()
            self._copies.update(dict.fromkeys(due, copy))

    def _rows(self) -> dict[str, Then]:
        """The rows that probe samples look up, as they are now."""
        return {name: self._rows_of(seen) for name, seen in self._seen.items()}

    def _rows_of(self, seen: TableSeen) -> Then:
        import torch

        weight, sums = self.tables[seen.name].detach(), self.sums(seen.name)
        at = torch.from_numpy(seen.ids).to(weight.device)
        held = None if sums is None else _back(sums.detach()[at])
        if held is None and self.optimizer.name != "sgd":
            held = np.zeros(len(seen.ids), dtype=np.float32)  # there are none before the first step
        return Then(self._at, _back(weight[at].float()), held)

    # -- looking --------------------------------------------------------------------------------------------------

    def _look(self) -> Point:
        current = self._rows()
        copies = [(age, self._copies.get(self._nearest(self._at - age))) for age in self._ages]
        known = [(age, copy) for age, copy in copies if copy is not None and age <= self._at]
        logits, gradients = self._differentiated(current)
        now = losses_of(logits, self.labels)
        oldest = known[-1][1]
        found, totals = [], np.zeros((len(known), len(self.labels)))
        for name, seen in self._seen.items():
            rise = None
            if self.each_table:
                rise = self._losses({**current, name: oldest[name]}).loss - now.loss
            table, along = table_harm(
                seen,
                gradients[name],
                now,
                current[name],
                [copy[name] for _, copy in known],
                self._left,
                self._counts[name],
                self._counted,
                self.optimizer,
                self.batch_size,
                rise,
            )
            found.append(table)
            totals += np.array(along)
        whole = [
            whole_state(age, total, now, self._losses(copy))
            for (age, copy), total in zip(known, totals, strict=True)
        ]
        return Point(
            position_samples=self._at,
            log_loss=now.mean,
            auc=now.auc,
            ages_samples=tuple(age for age, _ in known),
            left_samples=tuple(self._left),
            tables=tuple(found),
            whole=tuple(whole),
        )

    def _nearest(self, moment: int) -> int:
        return min(self._copies, key=lambda at: abs(at - moment))

    def _pooled(self, seen: TableSeen, then: Then, some: slice) -> torch.Tensor:
        """The pooled vectors of some of the samples from rows [U, D]."""
        import torch

        first, last = np.searchsorted(seen.sample, (some.start, some.stop))
        weight = self.tables[seen.name]
        rows = torch.from_numpy(then.values[seen.index[first:last]]).to(weight.device, weight.dtype)
        rows *= torch.from_numpy(seen.weight[first:last, None]).to(rows)
        pooled = torch.zeros(some.stop - some.start, rows.shape[1], device=rows.device, dtype=rows.dtype)
        return pooled.index_add_(0, torch.from_numpy(seen.sample[first:last] - some.start).to(rows.device), rows)

    def _chunks(self) -> Iterable[slice]:
        for start in range(0, len(self.labels), _CHUNK):
            yield slice(start, min(start + _CHUNK, len(self.labels)))

    def _losses(self, state: Mapping[str, Then]) -> Losses:
        """With the rows as they were."""
        import torch

        parts = []
        with torch.no_grad():
            for some in self._chunks():
                pooled = {name: self._pooled(seen, state[name], some) for name, seen in self._seen.items()}
                parts.append(self._checked(self.logits(pooled, some), some))
        return losses_of(np.concatenate(parts), self.labels)

    def _differentiated(self, state: Mapping[str, Then]) -> tuple[Any, dict[str, Any]]:
        """The logits, and the gradient of each in its pooled vectors: samples do not mix, so of their sum."""
        import torch

        logits, gradients = [], []
        with torch.enable_grad():
            for some in self._chunks():
                pooled = {
                    name: self._pooled(seen, state[name], some).requires_grad_()
                    for name, seen in self._seen.items()
                }
                out = self.logits(pooled, some)
                logits.append(self._checked(out, some))
                found = torch.autograd.grad(out.sum(), list(pooled.values()), allow_unused=True)
                gradients.append(
                    [
                        np.zeros(leaf.shape, dtype=np.float32) if one is None else _back(one.float())
                        for one, leaf in zip(found, pooled.values(), strict=True)
                    ]
                )
        whole = [np.concatenate(parts) for parts in zip(*gradients, strict=True)]
        return np.concatenate(logits), dict(zip(self._seen, whole, strict=True))

    @staticmethod
    def _checked(logits: torch.Tensor, some: slice) -> Any:
        found = _back(logits.detach().double())
        number = some.stop - some.start
        if found.shape != (number,):
            raise DomainError(
                f"HarmProbe: logits gave shape {found.shape}: expected one for each of {number} samples"
            )
        if not np.isfinite(found).all():
            raise DomainError("HarmProbe: logits gave numbers that are not finite: expected finite ones")
        return found


def _halved(samples: int) -> list[int]:
    return sorted({max(1, samples >> power) for power in range(9)})


def _back(value: Any) -> Any:
    """A tensor as an array; an array as it is."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def _seen(name: str, rows: int, lookup: Lookup, samples: int, pooling: str) -> TableSeen:
    """Which rows the probe samples look up, checked."""
    ids = np.asarray(_back(lookup.ids)).reshape(-1).astype(np.int64)
    if ids.size and not 0 <= ids.min() <= ids.max() < rows:
        raise DomainError(f"HarmProbe: lookups of {name}: expected ids from 0 to {rows - 1}")
    offsets = np.arange(samples) if lookup.offsets is None else np.asarray(_back(lookup.offsets)).astype(np.int64)
    bounds = np.append(offsets, ids.size)
    if len(offsets) != samples or (samples and offsets[0] != 0) or (np.diff(bounds) < 0).any():
        raise DomainError(f"HarmProbe: lookups of {name}: expected where each of {samples} samples' ids begin")
    lengths = np.diff(bounds)
    sample = np.repeat(np.arange(samples), lengths)
    distinct, index = np.unique(ids, return_inverse=True)
    weight = np.ones(ids.size, dtype=np.float32)
    if pooling == "mean":
        weight /= lengths[sample]
    return TableSeen(name, rows, distinct, index, sample, weight)
