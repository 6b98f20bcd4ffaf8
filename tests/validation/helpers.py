"""What the tests of the harness share: small cases, and runs of them."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

from validation.case import Case
from validation.claim import Claim
from validation.events import read_events
from validation.failures import Failure
from validation.summary import Summary, summarise
from validation.supervisor import Supervisor

SHARDS, STEPS, INTERVAL = 3, 40, 8


def small(plan: list[dict[str, Any]] | None = None, **tables: Any) -> Case:
    """A model that trains in a second; keyword tables overwrite keys of the case's."""
    data: dict[str, dict[str, Any]] = {
        "data": {"samples": STEPS * 32, "batch_size": 32, "test_samples": 200},
        "model": {"num_embeddings": [700, 40, 3], "embedding_dim": 4, "dense_arch": [8], "over_arch": [8]},
        "shards": {"count": SHARDS},
        "training": {"device": "cpu"},
        "strategy": {"recovery": "partial", "interval_steps": INTERVAL},
        "checkpoint": {"compact_after": 2},
        "failures": {"plan": plan or []},
        "timeouts": {"shard": "2 s"},
    }
    for name, table in tables.items():
        if name != "journal":
            merged = {**data.get(name, {}), **table}
            data[name] = {key: value for key, value in merged.items() if not (name == "strategy" and value is None)}
    return Case.from_mapping({**data, "journal": tables.get("journal", True)})


def claim_of(folder: Path) -> Claim:
    """A claim that holds."""
    (folder / "lock").write_text("word")
    return Claim(str(folder), "word", "a run")


def train(case: Case, folder: Path, **options: Any) -> tuple[list[dict[str, Any]], Summary]:
    """Run it; its events, and their summary."""
    Supervisor(case, folder, **options).run()
    events = list(read_events(folder / "events.jsonl"))
    return events, summarise(events)


class FullDisk:
    """No file of shard 0 may grow beyond 100 bytes, from the first failure on that ``when`` picks, for one save."""

    def __init__(self, when: Callable[[Failure], bool] = lambda failure: True) -> None:
        self.when = when
        self.limited: int | None = None

    def fill(self, failure: Failure, processes: Any) -> None:
        """To be told of failures (``sabotage``)."""
        if self.limited is None and self.when(failure):
            self.limited = processes["shard-0"].pid
            hard = resource.prlimit(self.limited, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(self.limited, resource.RLIMIT_FSIZE, (100, hard))

    def empty(self, event: dict[str, Any]) -> None:
        """To be told of events (``observe``)."""
        if event["event"] == "save_failed":
            assert self.limited is not None
            whole = resource.RLIM_INFINITY, resource.RLIM_INFINITY
            resource.prlimit(self.limited, resource.RLIMIT_FSIZE, whole)
