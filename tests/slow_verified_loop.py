"""A job with silent errors, each save after a check, played event by event, from what is stated here alone.

Deliberately plain and slow: no formula, no array, no import from cprmodel.

* Work of τ, a save; before every n-th one a check, or several in each work, evenly, the last before its save. The
  end of the job is checked, too. Silent errors come at a constant rate at work.
* A check that finds one sends everybody back to the last save that was checked, to load it.
* A save holds the errors of its work. A share of the saves is unreadable, which who loads it finds out at the end
  of the load; then the one before is loaded. In one recovery none is tried twice.
* Or nothing is checked: an error that is there shows after a random time at work and in saves, and everybody loads
  the newest save from before it.
* A failure that takes everything sends everybody back, too: rescheduling and loading, which failures make begin
  again. So does any failure that strikes the load after a silent error.
* A shard's failure stops everybody until its shards are back, a trainer's until it is replaced; a failure meanwhile
  starts that again for all that is pending, of two kinds for the longer. Then work goes on; a check or a save that
  was struck begins anew.
* A shard loses what it learned since it was last saved or restored; for good, unless everybody goes back before the
  next complete save. Where the newest saves are unreadable it loses what it learned since the one before them; what
  it had lost already it does not lose again.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field


@dataclass
class Setting:
    work: float
    interval: float
    verify: float
    save: float
    load: float
    reschedule: float
    mtbf: float
    silent_mtbf: float
    shares: tuple[float, float, float] = (0.0, 0.0, 1.0)
    partial_load: float = 0.0
    partial_reschedule: float = 0.0
    trainer_reschedule: float = 0.0
    shards: int = 8
    saves: int = 1  # to a check
    checks: int = 1  # to a save
    unreadable: float = 0.0
    latency: float = 0.0  # above 0: nothing is checked, errors show by themselves
    with_error: list[int] = field(default_factory=list)  # of each that showed, saves that held it


@dataclass
class Save:
    done: float
    bad: bool  # holds an error
    readable: bool
    checked: bool
    lost: float  # for good, as long as this one stands
    taken: list[float] = field(default_factory=list)  # by shard, of the work since the save before, lost until now


def play(setting: Setting, rng: random.Random) -> tuple[float, float]:
    """The time to train, and the portion of the samples that was lost for good."""
    time = done = since = 0.0
    stack = [Save(0.0, False, True, True, 0.0)]
    kept = [0.0] * setting.shards
    bad, phase, passed, reads, shows = False, "work", 0, 0, math.inf
    until, error = rng.expovariate(1 / setting.mtbf), rng.expovariate(1 / setting.silent_mtbf)

    def unchecked() -> int:
        return next(at for at, one in enumerate(reversed(stack)) if one.checked)

    def back() -> int:
        """Everybody returns to the newest save that can be read; how many are read."""
        tried = 1
        while not stack[-1].readable:
            stack.pop()
            tried += 1
        return tried

    while True:
        top = stack[-1]
        due = min(top.done + setting.interval, setting.work)
        next_check = top.done + (passed + 1) * setting.interval / setting.checks
        middle = passed + 1 < setting.checks and next_check < due * (1 - 1e-12)
        lengths = {
            "work": max((next_check if middle else due) - done, 0.0),
            "check": setting.verify,
            "save": setting.save,
        }
        lengths |= {"load": setting.load, "restart": setting.reschedule + setting.load}
        needs = lengths[phase]
        active = phase in ("work", "save")
        passes = min(needs, until, shows if active else math.inf)
        if setting.latency and phase == "work" and not bad:
            passes = min(passes, error)
        time += passes
        if phase == "work":
            done += passes
            struck = error <= passes
            error = rng.expovariate(1 / setting.silent_mtbf) if struck else error - passes
            if setting.latency and struck and not bad:
                bad, shows, until = True, rng.expovariate(1 / setting.latency), until - passes
                continue
            bad = bad or struck
        if active:
            shows -= passes
            if shows <= 0:
                setting.with_error.append(sum(one.bad for one in stack[-500:]))
                while stack[-1].bad:
                    stack.pop()
                until, shows, phase, reads = until - passes, math.inf, "load", back()
                continue
        if until > needs:
            until -= needs
            ends = done >= setting.work * (1 - 1e-12)
            if phase == "work":
                phase = "check" if middle or ends or unchecked() + 1 >= setting.saves else "save"
                if phase == "check" and setting.latency and not ends:
                    phase = "save"
            elif phase == "check" and bad and not setting.latency:
                while not stack[-1].checked:
                    stack.pop()
                phase, reads = "load", back()
            elif phase == "check" and ends:
                lost = since + sum(one.lost for one in stack)
                return time, lost / (setting.shards * setting.work)
            elif phase == "check" and middle:
                phase, passed = "work", passed + 1
            elif phase == "check":
                phase = "save"
            elif phase == "save":
                sure = unchecked() + 1 >= setting.saves
                taken = [one - stack[-1].done for one in kept]
                stack.append(Save(done, bad, rng.random() >= setting.unreadable, sure, since, taken))
                since, phase, passed, kept = 0.0, "work", 0, [done] * setting.shards
            elif reads > 1:
                reads, phase = reads - 1, "load"
            else:
                done, since, bad, phase, passed = stack[-1].done, 0.0, stack[-1].bad, "work", 0
                shows = shows if bad else math.inf
                kept = [done] * setting.shards
            continue
        pending: set[str] = set()
        everybody, vain = phase in ("load", "restart"), 0
        while not everybody:
            kind = rng.choices(["shard", "trainer", "all"], setting.shares)[0]
            if kind == "all":
                everybody, reads = True, back()
                break
            if kind == "shard":
                shard = rng.randrange(setting.shards)
                at = next(at for at, one in enumerate(reversed(stack)) if one.readable)
                vain = max(vain, at)
                since += done - kept[shard]
                kept[shard] = done
                for before, one in zip(stack[-1 - at :], stack[len(stack) - at :], strict=False):
                    since += one.done - before.done - one.taken[shard]
                    one.taken[shard] = one.done - before.done
            pending.add(kind)
            shard_s = setting.partial_reschedule + setting.partial_load * (1 + vain)
            stop = max({"shard": shard_s, "trainer": setting.trainer_reschedule}[one] for one in pending)
            until = rng.expovariate(1 / setting.mtbf)
            time += min(stop, until)
            if until > stop:
                until -= stop
                break
        if everybody:
            phase, until = "restart", rng.expovariate(1 / setting.mtbf)
