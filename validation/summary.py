"""What happened in a run, computed from its event log and nothing else.

Which updates a shard holds is followed as a set of steps: a step adds itself, a save keeps a copy of the set, a
load returns to one. What is missing at the end is lost, and PLS is its share of all samples of all shards.

Where saves take some rows before others, updates of rows are counted instead: each shard says with a save how many
it leaves unsaved, each step how many it adds. PLS is then the share of all updates that was lost for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from validation.events import read_events

__all__ = ["FailureSeen", "Summary", "summarise"]


@dataclass
class FailureSeen:
    """A failure and what it took to recover from it."""

    number: int
    kind: str
    shards: tuple[int, ...]
    signal: str
    phase: str
    step: int  # the last step that was done
    at: float
    detected_s: float | None = None  # until it was known
    recovered_s: float | None = None  # until training went on
    went_back_to: int | None = None  # the step that what failed returned to


@dataclass
class Summary:
    """A run in figures."""

    shards: int = 0
    steps: int = 0
    planned_steps: int = 0
    samples: int = 0
    executed: int = 0
    replayed_steps: int = 0
    replayed_samples: int = 0
    lost_steps: dict[int, list[int]] = field(default_factory=dict)  # by shard
    lost_samples: int = 0  # shard-samples
    ordered: bool = False  # saves take some rows before others
    updates: int = 0  # of rows, replayed ones not counted again
    lost_updates: int = 0
    saved_rows: int = 0  # in all saves after the first
    failures: list[FailureSeen] = field(default_factory=list)
    deaths: int = 0
    unplanned_deaths: int = 0
    wrong_statuses: int = 0
    saves: int = 0
    void_saves: int = 0
    failed_saves: list[str] = field(default_factory=list)
    corrupt: list[tuple[str, str]] = field(default_factory=list)
    loads: int = 0
    redone: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    auc: float | None = None
    log_loss: float | None = None
    tests: list[tuple[int, float]] = field(default_factory=list)  # (step, AUC), the last one included
    digests: dict[str, Any] | None = None
    remarks: list[str] = field(default_factory=list)
    status: str = "under way"

    @property
    def pls(self) -> float:
        """Portion of lost samples: lost shard-samples over all samples times shards; of updates, in some order."""
        if self.ordered:
            return self.lost_share
        return self.lost_samples / (self.samples * self.shards) if self.samples else 0.0

    @property
    def lost_share(self) -> float:
        """Lost updates of rows over all of them."""
        return self.lost_updates / self.updates if self.updates else 0.0

    @property
    def stopped_s(self) -> float:
        """Time from failures until training went on, each moment counted once [s]."""
        total, until = 0.0, float("-inf")
        for failure in sorted(self.failures, key=lambda one: one.at):
            if failure.recovered_s is not None:
                end = failure.at + failure.recovered_s
                total += max(0.0, end - max(failure.at, until))
                until = max(until, end)
        return total


def summarise(events: Path | Iterable[dict[str, Any]]) -> Summary:
    """Follow a log from its first event to its last."""
    out = Summary()
    holds: dict[int, int] = {}  # for each shard the steps it holds, as bits
    kept: dict[int, dict[int, int]] = {}  # the same at each save
    samples_of: dict[int, int] = {}
    stake = _Stake()
    last_step = 0
    first = last = None
    whole = 0.0
    seconds = dict.fromkeys(("lookup", "compute", "update", "copy", "save", "drain", "recovery"), 0.0)
    copied: dict[int, float] = {}  # how long saves that are written in the background took to be copied
    asked = 0.0
    for event in read_events(events) if isinstance(events, Path) else events:
        kind, at = event["event"], event["at"]
        if kind == "start":
            case = event["case"]
            out.shards = case["shards"]["count"]
            out.planned_steps = case["data"]["samples"] // case["data"]["batch_size"]
            holds = holds or dict.fromkeys(range(out.shards), 0)
            out.ordered = case["strategy"].get("order") is not None
            if first is not None and last is not None:  # the harness was dead in between
                whole += last - first
            first = last = None
        elif kind == "ready":
            first = at if first is None else first
            _close(out, at)
            stake.gone_on(event["mode"] == "everybody")
        elif kind == "step":
            step = event["step"]
            last_step = step
            out.executed += 1
            stake.worked(event.get("updates", ()), event["replayed"])
            samples_of[step] = event["samples"]
            if event["replayed"]:
                out.replayed_steps += 1
                out.replayed_samples += event["samples"]
            for shard in holds:
                holds[shard] |= 1 << step
            for part in ("lookup", "compute", "update", "copy"):
                seconds[part] += event.get(f"{part}_s", 0.0)
            last = at
        elif kind == "saving":
            stake.begun(event["sequence"])
            kept[event["sequence"]] = kept.get(event.get("after", -1), {}) | {
                shard: held for shard, held in holds.items() if shard in event.get("shards", holds)
            }
        elif kind == "begin_save":
            asked = at
        elif kind == "copied":
            copied[event["sequence"]] = event["seconds"]
            seconds["save"] += at - asked  # it may have waited for the save before
        elif kind == "save":
            out.saves += 1
            out.saved_rows += event.get("rows", 0) if out.saves > 1 else 0
            stake.saved(event["sequence"], event.get("unsaved", ()))
            blocked = copied.pop(event["sequence"], None)
            seconds["save"] += event["seconds"] if blocked is None else 0.0
            seconds["drain"] += 0.0 if blocked is None else event["seconds"] - blocked
            last = at
        elif kind == "save_void":
            out.void_saves += 1
        elif kind == "save_failed":
            out.failed_saves.append(event["reason"])
        elif kind == "load":
            out.loads += 1
            stake.loaded(event["shard"], event["sequence"])
            _go_back(out, event, holds, kept)
        elif kind == "failure":
            out.failures.append(
                FailureSeen(
                    event["number"],
                    event["kind"],
                    tuple(event["shards"]),
                    event["signal"],
                    event["phase"],
                    last_step,
                    at,
                )
            )
        elif kind == "died":
            out.deaths += 1
            planned = event["cause"] in ("killed", "hung")
            out.unplanned_deaths += not planned
            out.wrong_statuses += planned and event["status"] != -9
            for failure in out.failures:
                if failure.detected_s is None and failure.recovered_s is None:
                    failure.detected_s = at - failure.at
        elif kind == "recovered":
            seconds["recovery"] += event["seconds"]
            _close(out, at)
            stake.gone_on(event["rolls_back"] == "everybody")
        elif kind == "corrupt":
            out.corrupt.append((event["file"], event["reason"]))
        elif kind == "redo":
            out.redone += 1
        elif kind == "metric":
            out.auc, out.log_loss = event["auc"], event["log_loss"]
            if "step" in event and event["auc"] is not None:
                out.tests.append((event["step"], event["auc"]))
        elif kind == "digest":
            out.digests = {"shards": event["shards"], "trainer": event["trainer"]}
        elif kind == "remark":
            out.remarks.append(event["text"])
        elif kind == "stop":
            out.status = event["status"]
    _settle(out, holds, samples_of, last_step)
    out.updates, out.lost_updates = stake.updates, stake.lost + stake.lost_since_save
    if first is not None and last is not None:
        whole += last - first
    seconds["whole"] = whole
    out.seconds = seconds
    return out


class _Stake:
    """Updates that each shard has not saved."""

    def __init__(self) -> None:
        self.done: Counter[int] = Counter()  # by shard, replayed ones too
        self.gone: Counter[int] = Counter()  # ... lost
        self.at: dict[Any, tuple[dict[int, int], Counter[int], Counter[int]]] = {}  # by save: unsaved, done, gone
        self.updates = self.lost = self.lost_since_save = 0

    def worked(self, updates: Iterable[int], replayed: bool) -> None:
        for shard, number in enumerate(updates):
            self.done[shard] += number
            self.updates += 0 if replayed else number

    def begun(self, sequence: Any) -> None:
        """What it will hold stands; what is done until it is complete is of the next one."""
        self.at[sequence] = {}, Counter(self.done), Counter(self.gone)

    def saved(self, sequence: Any, unsaved: Iterable[int]) -> None:
        _, done, gone = self.at.get(sequence, ({}, Counter(self.done), Counter(self.gone)))
        self.at[sequence] = dict(enumerate(unsaved)), done, gone
        self.lost += self.lost_since_save
        self.lost_since_save = 0

    def loaded(self, shard: Any, sequence: Any) -> None:
        """It has what it had when that save was made, which need not be the last one."""
        if shard == "trainer":
            return
        unsaved, done, gone = self.at.get(sequence, ({}, Counter[int](), Counter[int]()))
        since = self.done[shard] - done[shard]
        lost = unsaved.get(shard, 0) + since - (self.gone[shard] - gone[shard])
        self.gone[shard] += lost
        self.lost_since_save += min(lost, since)
        self.lost += lost - min(lost, since)

    def gone_on(self, everybody: bool) -> None:
        """After everybody rolled back, what was lost since the save is done again."""
        if everybody:
            self.lost_since_save = 0


def _close(out: Summary, at: float) -> None:
    for failure in out.failures:
        if failure.recovered_s is None:
            failure.recovered_s = at - failure.at


def _go_back(out: Summary, event: dict[str, Any], holds: dict[int, int], kept: dict[int, dict[int, int]]) -> None:
    for failure in out.failures:
        if failure.recovered_s is None and failure.went_back_to is None:
            failure.went_back_to = event["step"]
    shard, sequence = event["shard"], event["sequence"]
    if shard == "trainer":
        return
    if sequence is None:
        holds[shard] = 0
    elif sequence in kept:
        holds[shard] = kept[sequence][shard]
    else:
        # complete, but the harness was killed before it heard: nothing failed between that save and what was told
        # later of the steps after it, for no failure is survived without the harness
        holds[shard] &= (1 << (event["step"] + 1)) - 1


def _settle(out: Summary, holds: dict[int, int], samples_of: dict[int, int], last_step: int) -> None:
    out.steps = last_step
    out.samples = sum(samples_of.get(step, 0) for step in range(1, last_step + 1))
    everything = (1 << (last_step + 1)) - 2
    for shard, held in holds.items():
        missing = everything & ~held
        lost = [step for step in range(1, last_step + 1) if missing >> step & 1] if missing else []
        out.lost_steps[shard] = lost
        out.lost_samples += sum(samples_of.get(step, 0) for step in lost)
