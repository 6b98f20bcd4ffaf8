"""A DLRM in small, in NumPy: embeddings that meet in dot products, under row-wise Adagrad; its true loss is known.

Labels come from a teacher of the same form, so the expected loss of any state is a mean over many samples with the
teacher's probabilities: no label scatters. Many runs are trained at once on the same samples, and each may have
rows put back. ``record`` looks at a run as a probe does, with its own arithmetic.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from cprmodel.harm.record import HarmRecord
from cprmodel.jobs.parsing import model_from_mapping

TABLES, ROWS, DIM, BATCH = 4, 96, 3, 64
RATE, DENSE_RATE = 0.05, 0.02
STEPS = 600
SHARDS = 4
LATER = (
    "quadratic_left",
    "gradient_left",
    "progress_fixed",
    "progress_moving",
    "jitter",
    "jitter_quadratic",
    "jitter_gradient",
)


def logits(rows: Any, dense: Any, ids: Any) -> tuple[Any, Any]:
    """z [runs, samples], and its gradient in each looked-up row [runs, samples, tables, dim]."""
    runs = np.arange(len(rows))[:, None, None]
    looked_up = rows[runs, np.arange(TABLES), ids]  # [runs, samples, tables, dim]
    total = looked_up.sum(2)
    own = (looked_up**2).sum((2, 3))
    z = np.einsum("rstd,rtd->rs", looked_up, dense) + ((total**2).sum(2) - own) / 2
    return z, dense[:, None] + total[:, :, None] - looked_up


class Setting:
    """Teacher, data and the samples on which losses are true."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.chances = np.arange(1, ROWS + 1) ** -1.05
        self.chances /= self.chances.sum()
        self.teacher = 0.5 * rng.normal(size=(1, TABLES, ROWS, DIM))
        self.dense = 0.5 * rng.normal(size=(1, TABLES, DIM))
        self.start = 0.1 * rng.normal(size=(TABLES, ROWS, DIM))
        self.judged = self.draw(rng, 6000)
        self.truth = self.clicks(self.judged)
        self.batches = [self.draw(rng, BATCH) for _ in range(STEPS)]
        self.labels = [rng.random(BATCH) < self.clicks(ids) for ids in self.batches]

    def draw(self, rng: Any, samples: int) -> Any:
        return rng.choice(ROWS, size=(samples, TABLES), p=self.chances)

    def clicks(self, ids: Any) -> Any:
        return 1 / (1 + np.exp(-logits(self.teacher, self.dense, ids)[0][0]))

    def loss(self, state: State) -> Any:
        z = logits(state.rows, state.dense, self.judged)[0]
        return (np.logaddexp(0, z) - self.truth * z).mean(1)


class State:
    """Runs side by side: rows, their Adagrad sums, and a dense layer with its own."""

    def __init__(self, setting: Setting, runs: int) -> None:
        self.rows = np.tile(setting.start, (runs, 1, 1, 1))
        self.sums = np.full((runs, TABLES, ROWS), 1e-8)
        self.dense = np.full((runs, TABLES, DIM), 0.1)
        self.dense_sums = np.full((runs, TABLES, DIM), 1e-8)

    def copies(self, runs: int) -> State:
        found = State.__new__(State)
        for name in ("rows", "sums", "dense", "dense_sums"):
            setattr(found, name, np.repeat(getattr(self, name)[:1], runs, axis=0))
        return found

    def step(self, setting: Setting, number: int) -> None:
        ids, labels = setting.batches[number], setting.labels[number]
        z, slopes = logits(self.rows, self.dense, ids)
        off = (1 / (1 + np.exp(-z)) - labels) / BATCH
        by_dense = np.zeros_like(self.dense)
        for table in range(TABLES):
            by_dense[:, table] = np.einsum("rs,rsd->rd", off, self.rows[:, table][:, ids[:, table]])
            gradient = np.zeros((len(z), ROWS, DIM))
            np.add.at(gradient, (slice(None), ids[:, table]), off[:, :, None] * slopes[:, :, table])
            self.sums[:, table] += (gradient**2).mean(2)
            self.rows[:, table] -= RATE * gradient / np.sqrt(self.sums[:, table])[:, :, None]
        self.dense_sums += by_dense**2
        self.dense -= DENSE_RATE * by_dense / np.sqrt(self.dense_sums)


def trained(setting: Setting) -> list[State]:
    """One run without failures, as it was after each step."""
    state, found = State(setting, 1), []
    for number in range(STEPS):
        found.append(state.copies(1))
        state.step(setting, number)
    return [*found, state]


def walked(setting: Setting, sums: list[Any], values: Any, own: Any) -> tuple[Any, Any]:
    """Step by step: exponents h·u and variances of the jitter [rows, dim], while the sums go along a list.

    A step adds the square of its gradients to the sums: that is the noise, over the directions as curvature is.
    ``own``: what the sums grow by in a step where the list does not say; else None.
    """
    exponents = np.zeros((ROWS, DIM))
    variance = np.zeros((ROWS, DIM))
    for before, after in itertools.pairwise(sums):
        step = RATE / BATCH / np.sqrt(after)[:, None]
        shrinks = values * setting.chances[:, None] * BATCH * step
        exponents += shrinks
        gained = (after - before if own is None else own)[:, None] * DIM * values / values.sum()
        variance += -2 * shrinks * variance + (RATE**2 / after)[:, None] * gained
    return exponents, variance


def later(
    setting: Setting, history: list[State], table: int, position: int, age: int, steps: int, values: Any
) -> dict[str, Any]:
    """Of each row and direction, so many steps after a put-back."""
    sums = [state.sums[0, table] for state in history]
    then, now = position - age, position
    gain = (sums[now] - sums[then]) / age
    _, old = walked(setting, sums[: then + 1], values, None)
    past, _ = walked(setting, sums[then : now + 1], values, None)
    _, new = walked(setting, sums[: now + 1], values, None)
    back, twin = ([sums[at] + gain * number for number in range(steps + 1)] for at in (then, now))
    lacks = past.copy()  # what a row lacks, over what it has still to go, step by step
    for mine, other in zip(back[1:], twin[1:], strict=True):
        one, two = (values * (setting.chances * RATE / np.sqrt(of))[:, None] for of in (mine, other))
        lacks -= one * lacks + (one - two)
    x, own = walked(setting, back, values, gain)[0], walked(setting, twin, values, gain)[0]
    ends = [
        started * np.exp(-2 * shrunk) + walked(setting, sums_, values, gain)[1]
        for started, shrunk, sums_ in ((old, x, back), (new, own, twin))
    ]
    half, some = values * setting.chances[:, None] / 2, np.maximum(past, 1e-12)
    gone = np.expm1(some)  # of a way that was so long that 1 is still to go
    return {
        "past": past,
        "quadratic_left": np.exp(-2 * x),
        # harm at the end, less what is left of the quadratic, over the gradient term
        "progress_fixed": (((1 + gone) * np.exp(-x)) ** 2 - np.exp(-2 * own) - gone**2 * np.exp(-2 * x))
        / (2 * gone),
        "progress_moving": ((1 + lacks) ** 2 - 1 - some**2 * np.exp(-2 * x)) / (2 * some),
        "jitter": half * (ends[0] - ends[1]),
        "jitter_quadratic": half * (new + old - 2 * old * np.exp(-past)),
        "jitter_gradient": -2 * half * (new - old * np.exp(-past)),
    }


def put_back(state: State, run: int, then: State, chosen: Any) -> None:
    """Rows where ``chosen`` [tables, rows], with their sums."""
    state.rows[run][chosen] = then.rows[0][chosen]
    state.sums[run][chosen] = then.sums[0][chosen]


def record(
    setting: Setting, history: list[State], points: list[int], ages: list[int], left: list[int]
) -> HarmRecord:
    """harm.json of that run, from sums that are written out."""
    edges = [0.0, *(4.0**power for power in range(-5, 1))]
    band_of = np.searchsorted(edges, setting.chances, side="right") - 1
    found = []
    for position in points:
        now = history[position]
        z, slopes = logits(now.rows, now.dense, setting.judged)
        sigma = 1 / (1 + np.exp(-z[0]))
        residual, spread = sigma - setting.truth, sigma * (1 - sigma)
        thens = [history[position - age] for age in ages if age <= position]
        totals = np.zeros((len(thens), len(sigma)))
        tables = []
        for table in range(TABLES):
            ids, j = setting.judged[:, table], slopes[0, :, table]
            curvature = (j * spread[:, None]).T @ j / len(ids)
            values, vectors = np.linalg.eigh(curvature)
            hits = np.bincount(ids, minlength=ROWS) / len(ids)
            bands: list[dict[str, Any]] = [
                {
                    "accesses_from": edges[b],
                    "accesses_to": edges[b + 1],
                    "rows": int((band_of == b).sum()),
                    "accesses": float(setting.chances[band_of == b].sum()),
                    "probed": int((band_of[ids] == b).sum()),
                    **{name: [] for name in ("quadratic", "gradient", *LATER)},
                }
                for b in range(len(edges) - 1)
            ]
            for at, then in enumerate(thens):
                apart = now.rows[0, table] - then.rows[0, table]
                along = (j * apart[ids]).sum(1)
                totals[at] += along
                parts = values * (apart @ vectors) ** 2 * hits[:, None]
                after = [later(setting, history, table, position, ages[at], steps, values) for steps in left]
                drifting = parts / np.maximum(np.expm1(after[0]["past"]), 1e-12)  # what has still to go, times Δ
                for b, band in enumerate(bands):
                    mine, rows = band_of[ids] == b, band_of == b
                    band["quadratic"].append(float((spread * along**2 * mine).mean() / 2))
                    band["gradient"].append(float(-(residual * along * mine).mean()))
                    for name in ("progress_fixed", "progress_moving"):  # of each direction, without the jitter's
                        each = -residual[:, None] * (j @ vectors) * (apart @ vectors)[ids]
                        band[name].append(
                            [
                                float((each * one[name][ids] * mine[:, None]).sum(1).mean())
                                - float((one["jitter_gradient"] * one[name])[rows].sum())
                                for one in after
                            ]
                        )
                    for name, weights in (("quadratic_left", parts), ("gradient_left", drifting)):
                        whole_band = max(float(weights[rows].sum()), 1e-300)
                        band[name].append(
                            [float((weights * one["quadratic_left"])[rows].sum()) / whole_band for one in after]
                        )
                    band["jitter"].append([float(one["jitter"][rows].sum()) for one in after])
                    for name in ("jitter_quadratic", "jitter_gradient"):
                        band[name].append(float(after[0][name][rows].sum()))
            for band in bands:
                for name in ("quadratic", "gradient"):
                    band[f"{name}_error"] = [0.0] * len(thens)
            tables.append(
                {
                    "name": f"table {table}",
                    "rows": ROWS,
                    "embedding_dim": DIM,
                    "curvature_trace": float(values.sum()),
                    "curvature_eigenvalues": [float(max(one, 0)) for one in values[::-1]],
                    "bands": [band for band in bands if band["rows"]],
                }
            )
        whole = []
        before = setting.loss(now)[0]
        for at, then in enumerate(thens):
            mixed = now.copies(1)
            put_back(mixed, 0, then, np.ones((TABLES, ROWS), dtype=bool))
            whole.append(
                {
                    "age_samples": ages[at] * BATCH,
                    "quadratic": float((spread * totals[at] ** 2).mean() / 2),
                    "gradient": float(-(residual * totals[at]).mean()),
                    "rise": float(setting.loss(mixed)[0] - before),
                    **{f"{name}_error": 0.0 for name in ("quadratic", "gradient", "rise")},
                }
            )
        found.append(
            {
                "position_samples": position * BATCH,
                "log_loss": float(before),
                "ages_samples": [age * BATCH for age in ages if age <= position],
                "left_samples": [samples * BATCH for samples in left],
                "tables": tables,
                "whole": whole,
            }
        )
    return model_from_mapping(
        HarmRecord,
        {
            "kind": "harm record",
            "samples": STEPS * BATCH,
            "batch_size": BATCH,
            "probe_samples": len(setting.judged),
            "optimizer": {"name": "rowwise_adagrad", "learning_rate": RATE},
            "points": found,
        },
        "small model",
    )


def shard(number: int) -> Any:
    """Rows of one shard, dealt out in turn, [tables, rows]."""
    return (np.add.outer(np.arange(TABLES), np.arange(ROWS)) % SHARDS) == number


def expected_rise(each: Any) -> tuple[float, float]:
    """Mean and standard error."""
    return float(np.mean(each)), float(np.std(each, ddof=1) / math.sqrt(len(each)))
