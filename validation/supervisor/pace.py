"""Where training is in its steps, saves and readings, for failures that aim into them."""

from __future__ import annotations

import math
from typing import Any

from validation.events import STEP_PARTS

__all__ = ["Pace"]


class Pace:
    """Since when what goes on does; how long the last step took, and readings of so many shards [s].

    Moments are by the clock of the trainer's messages.
    """

    def __init__(self) -> None:
        self._doing = ""  # "step", "save", "stop"; nothing in a step whose beginning was not seen
        self._since = -math.inf
        self._step_s = 0.0
        self._reading: tuple[int, float] | None = None  # shards that read, and since when
        self._readings_s: dict[int, float] = {}

    def hear(self, event: str, at: float, message: dict[str, Any]) -> None:
        """Something that the trainer tells."""
        if event == "step" and not message.get("unheard"):  # which was done some time before
            self._step_s = sum(message[part] for part in STEP_PARTS)
            if self._doing != "stop":  # or it was done, and told, before anybody noticed: it is one all the same
                self._doing, self._since = "step", at
        elif event in ("save", "copied", "save_failed") and self._doing == "save":
            self._doing, self._since = "step" if self._step_s else "", at
        elif event == "begin_save" and self._doing != "stop":
            self._doing, self._since = "save", at
        elif event == "begin_load":
            self._reading = len(message["shards"]), at
        elif event in ("recovered", "ready"):
            if self._reading is not None:
                shards, begun = self._reading
                self._readings_s[shards] = at - begun
            self._reading, self._doing = None, ""

    def stop(self, at: float) -> None:
        """Somebody has died: no more of this until training goes on, and a step of it is done."""
        self._doing, self._since, self._reading = "stop", at, None

    def moment(self, at: float, into: float | None) -> float:
        """When a failure strikes that is to come from ``at`` on, so far ``into`` a step; infinite: not known yet.

        One whose time comes in a save or a stop strikes that, there and then; and so does one that aims nowhere.
        """
        if into is None or (self._doing in ("save", "stop") and at >= self._since):
            return at
        if self._doing != "step":
            return math.inf
        aimed = self._since + into * self._step_s
        return aimed if aimed >= at else math.inf

    @property
    def has_read(self) -> bool:
        """Whether it is known how long a reading takes."""
        return bool(self._readings_s)

    def into_reading_s(self, into: float) -> float:
        """A share of the reading under way, by the last one of as many shards, or by the shortest [s]."""
        shards = self._reading[0] if self._reading else 0
        return into * self._readings_s.get(shards, min(self._readings_s.values(), default=0.0))
