"""A job on nodes that stand in hosts and racks, with copies of its checkpoints in their memory, played.

Event by event, deliberately plain and slow: no formula, no array, no import from cprmodel. Every node and every
copy has its place.

* Components fail at a constant rate each; one takes its process, or all nodes of its host or its rack.
* Nodes are numbered through; hosts and racks are runs of them, the last of which may be shorter. A level's copies
  of a node's part are at its own
  place in each of m neighbouring units (nodes, hosts or racks), which hold one another's. A copy is lost with its
  node (or with its process, where that holds it). The last level is elsewhere, and never lost.
* While everybody waits, a further failure takes what it takes, and the wait begins again. It is as long as
  rescheduling and the load of the furthest level that is needed. A load puts every copy in place again.
* Full recovery: everybody returns to the last save of the lowest level, or a higher one, in which every node's part
  can be read. Partial recovery: a failed node's shard does, by the lowest level in which its own part can be read.
* Every n-th save of a level goes to the next. A save that is struck is void; once repaired it begins anew.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass
class Place:
    """A level: where its copies are."""

    save: float
    load: float
    copies: int = 0  # 0: elsewhere
    apart: int = 1  # nodes of a unit in which copies are apart
    in_process: bool = False


@dataclass
class Part:
    """A kind of component."""

    mttf: float
    count: int = 1
    nodes: int = 1  # of its domain
    process: bool = False  # takes a process alone
    at_once: int = 1  # so many such domains of one node, anywhere


@dataclass
class Setting:
    work: float
    interval: float
    nodes: int
    parts: list[Part]
    levels: list[Place]
    counts: list[int]  # saves of a level to one of the next
    reschedule: float
    full: bool


def places(setting: Setting, level: Place, node: int) -> list[int]:
    """The nodes that hold a copy of a node's part."""
    unit, within = divmod(node, level.apart)
    first = unit // level.copies * level.copies
    return [(first + at) * level.apart + within for at in range(level.copies)]


def play(setting: Setting, rng: random.Random) -> tuple[float, float]:
    """The time to train, and the portion of the samples that was lost for good."""
    rates = [part.count * -(-setting.nodes // part.nodes) / part.mttf for part in setting.parts]
    total, last = sum(rates), len(setting.levels) - 1
    saved, index = [0.0] * (last + 1), [0] * (last + 1)  # the work in the last save of each level or a higher one
    learned: list[list[tuple[float, float]]] = [[] for _ in range(setting.nodes)]
    time = done = 0.0
    segment, due, until = 0, setting.interval, rng.expovariate(total)

    def strike() -> tuple[set[int], bool]:
        (part,) = rng.choices(setting.parts, rates)
        if part.at_once > 1:
            return set(rng.sample(range(setting.nodes), part.at_once)), part.process
        first = rng.randrange(-(-setting.nodes // part.nodes)) * part.nodes  # the last one may hold fewer
        return set(range(first, min(first + part.nodes, setting.nodes))), part.process

    def needed(whose: set[int], gone: set[int], killed: set[int]) -> int:
        for at, level in enumerate(setting.levels[:-1]):
            lost = gone | killed if level.in_process else gone
            if all(any(one not in lost for one in places(setting, level, node)) for node in whose):
                return at
        return last

    def work(length: float) -> None:
        nonlocal done
        for pieces in learned:
            if pieces and pieces[-1][1] == done:
                pieces[-1] = (pieces[-1][0], done + length)
            else:
                pieces.append((done, done + length))
        done += length

    while True:
        # work, and then the save that is due
        needs = min(due, setting.work) - done
        passes = min(needs, until)
        time += passes
        work(passes)
        until -= passes
        if until > 0:
            if done >= setting.work * (1 - 1e-12):
                lost = sum(setting.work - sum(end - begin for begin, end in pieces) for pieces in learned)
                return time, lost / (setting.nodes * setting.work)
            to, period = 0, 1
            for at, count in enumerate(setting.counts):
                period *= count
                if (segment + 1) % period == 0:
                    to = at + 1
            length = setting.levels[to].save
            if until > length:
                time += length
                until -= length
                segment += 1
                for at in range(to + 1):
                    saved[at], index[at] = done, segment
                due = done + setting.interval
                continue
            time += until
        gone: set[int] = set()
        killed: set[int] = set()
        furthest = 0
        while True:
            nodes, process = strike()
            killed |= nodes
            gone |= set() if process else nodes
            if setting.full:
                furthest = needed(set(range(setting.nodes)), gone, killed)
            else:
                level = needed(nodes, gone, killed)
                furthest = max(furthest, level)
                for node in nodes:
                    kept = [(begin, min(end, saved[level])) for begin, end in learned[node] if begin < saved[level]]
                    learned[node] = kept
            stop = setting.reschedule + setting.levels[furthest].load
            until = rng.expovariate(total)
            time += min(until, stop)
            if until > stop:
                until -= stop
                break
        if setting.full:
            done = saved[furthest]
            segment = index[furthest]
            due = done + setting.interval
            for at in range(furthest + 1):
                saved[at], index[at] = done, segment
            for node, pieces in enumerate(learned):
                learned[node] = [(begin, min(end, done)) for begin, end in pieces if begin < done]
        else:
            due = max(due, done) if done < due else done
