"""What work is safe, kept second by second: it shares no code and no idea with the advisor's books."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class BookKeeper:
    """Each second of work has a number of its own; a state is the list of those that are in it."""

    levels: int = 1
    state: list[int] = field(default_factory=list)
    under_way: list[tuple[list[int], int]] = field(default_factory=list)
    written: dict[int, list[int]] = field(default_factory=dict)  #: the last durable state of each level or higher
    number: int = 0
    lost: int = 0

    def __post_init__(self) -> None:
        self.written = {level: [] for level in range(self.levels)}

    def work(self, seconds: int) -> None:
        for _ in range(seconds):
            self.number += 1
            self.state.append(self.number)

    def start(self, level: int = 0) -> None:
        self.under_way.append((list(self.state), level))

    def durable(self, which: int = 0) -> None:
        state, level = self.under_way.pop(which)
        for below in range(level + 1):
            if len(state) > len(self.written[below]):  # of one line of work, the longer is the later
                self.written[below] = state

    def void(self, which: int = 0) -> None:
        self.under_way.pop(which)

    def everybody_returns(self, level: int = 0) -> int:
        """From the last state of a level; how much work that takes."""
        kept = self.written[level]
        assert self.state[: len(kept)] == kept
        took = len(self.state) - len(kept)
        self.state = list(kept)
        for below in range(level):
            self.written[below] = list(kept)
        self.under_way = []
        self.lost += took
        return took

    def unsaved(self, level: int = 0) -> int:
        """Seconds of work that are in the state, and in no durable one of this level or higher."""
        return len(set(self.state) - set(self.written[level]))
