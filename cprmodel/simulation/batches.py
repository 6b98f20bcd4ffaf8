"""Batches of runs over cores: what is kept of each, in their order, and what Ctrl-C leaves."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from cprmodel.simulation import kernel
from cprmodel.simulation.control import expected_losses, time_control
from cprmodel.simulation.limits import never_ends
from cprmodel.simulation.setting import KINDS, Setting
from cprmodel.simulation.shares import Batches

__all__ = ["Part", "play_all", "undisturbed"]


def play_all(
    setting: Setting,
    sizes: list[int],
    streams: list[np.random.SeedSequence],
    workers: int | None,
    progress: Callable[[int], None] | None,
) -> list[Part]:
    """Every batch, in order; those finished so far when interrupted.

    None is played in this thread, so that Ctrl-C is heard at once; ``setting.stop`` then ends the kernels.
    """
    parts: list[Part] = []
    loop = Batches(len(sizes))
    pairs = zip(loop.of(sizes), loop.of(streams), strict=True)
    with warnings.catch_warnings():
        # joblib says that work in flight is thrown away when a run is given up: that is the point
        warnings.filterwarnings("ignore", "[0-9]+ tasks ", UserWarning)
        if len(sizes) == 1 or workers == 1:
            batches = _one_after_the_other(setting, pairs)
        else:
            from joblib import Parallel, delayed

            parallel = Parallel(n_jobs=workers, prefer="threads", return_as="generator", batch_size=1)
            batches = parallel(delayed(_reduced_batch)(setting, *pair) for pair in pairs)
        try:
            for part in batches:
                if part is None:
                    raise never_ends(setting.limit)
                parts.append(part)
                if progress:
                    progress(part.runs)
        except KeyboardInterrupt:
            if not parts:
                raise
        finally:
            setting.stop[0] = 1
            batches.close()
    return loop.all(parts)


def _one_after_the_other(setting: Setting, pairs: Iterable[Any]) -> Generator[Any, None, None]:
    with ThreadPoolExecutor(1) as thread:
        try:
            for pair in pairs:
                yield thread.submit(_reduced_batch, setting, *pair).result()
        finally:
            setting.stop[0] = 1  # before the thread is waited for


def undisturbed(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, however often somebody presses Ctrl-C meanwhile."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(work, *arguments)
        while True:
            try:
                return future.result()
            except KeyboardInterrupt:
                continue


@dataclass(frozen=True)
class Part:
    """What is kept of a batch: 32 bytes a run at most, and the sums of the rest."""

    runs: int
    times: Any
    pls: Any
    less_time: Any
    less_pls: Any
    failures: list[float]
    load: float
    reschedule: float
    lost: float


def _reduced_batch(setting: Setting, runs: int, stream: np.random.SeedSequence) -> Part | None:
    rows = setting.batch(runs, stream)
    if rows is None:
        return None
    column = {name: rows[:, i] for i, name in enumerate(kernel.COLUMNS)}
    times = column["time_s"].copy()
    samples = setting.shards * setting.work
    less_time, less_pls = None, None
    if setting.control_time:
        less_time = times - time_control(setting, column)
    if setting.control_pls:
        less_pls = expected_losses(setting, column) / samples
    useful = setting.work + (setting.pieces - 1) * setting.save
    # stops that no failure can strike are not in risk_s; those of loading among them are counted by kind
    safe_load = _safe_loads(setting, column)
    return Part(
        runs=len(rows),
        times=times,
        pls=column["lost"] / samples,
        less_time=less_time,
        less_pls=less_pls,
        failures=[float(column[kind.value].sum()) for kind in KINDS],
        load=float((column["stopped_s"] - column["reschedule_s"] + safe_load).sum()),
        reschedule=float((column["reschedule_s"] + (times - column["risk_s"]) - safe_load).sum()),
        lost=float((column["risk_s"] - useful - column["stopped_s"]).sum()),
    )


def _safe_loads(setting: Setting, column: dict[str, Any]) -> Any:
    """Time of loads that no failure could strike: none pend together then, so kinds can be counted."""
    total = np.zeros_like(column["time_s"])
    for kind, index in zip(KINDS, setting.stop_of_kind, strict=True):
        total += column[kind.value] * setting.safe_load[index]
    return total
