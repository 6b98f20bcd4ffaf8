"""Real training whose saves rotate over the shards: after every kill each holds the rows that were predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cprmodel.facts.errors import JobError
from cprmodel.facts.rotation import RotatingSave
from tests.validation.helpers import INTERVAL, SHARDS, STEPS, small, train
from validation.audit import audit

FULL = {"recovery": "full", "interval_steps": INTERVAL}


def predicted(rotate: int, at_work: list[int], in_saves: list[int]) -> dict[int, list[int]]:
    """Steps that each shard lacks in the end, from the steps (replayed ones counted) and saves that are struck."""
    held: list[set[int]] = [set() for _ in range(SHARDS)]
    stored, saved, turn, done, executed = [set(one) for one in held], 0, 0, 0, 0
    while done < STEPS:
        struck = False
        if done and done % INTERVAL == 0 and done > saved:
            struck = done in in_saves  # it is void, and taken again of the same shards
            if struck:
                in_saves = [one for one in in_saves if one != done]
            else:
                for more in range(rotate):
                    which = (turn + more) % SHARDS
                    stored[which] = set(held[which])
                saved, turn = done, (turn + rotate) % SHARDS
        if executed + 1 in at_work and not struck:  # in this step, which is not done then
            at_work, struck = [one for one in at_work if one != executed + 1], True
        if struck:
            done, held = saved, [set(one) for one in stored]
            continue
        done, executed = done + 1, executed + 1
        held = [one | {done} for one in held]
    return {shard: sorted(set(range(1, STEPS + 1)) - one) for shard, one in enumerate(held)}


def test_each_shard_holds_the_steps_that_were_predicted(tmp_path: Path) -> None:
    failures: list[dict[str, Any]] = [
        {"kind": "shard", "shards": [1], "step": 16, "phase": "save"},  # whose turn it is in this save
        {"kind": "shard", "shards": [0, 2], "step": 27},
        {"kind": "whole_job", "step": 37},
    ]
    case = small(failures, strategy={**FULL, "rotate": 1})
    events, found = train(case, tmp_path / "run")
    assert found.status == "finished"
    # a shard that had answered before it was killed spoils no save: its death is noticed in the next step
    expected = predicted(1, [27, 37], [16]) if found.void_saves else predicted(1, [17, 27, 37], [])
    assert sum(map(len, expected.values())) > 0
    assert found.lost_steps == expected  # by the event log
    checked = audit(case, tmp_path / "run")  # by the journal, to the last bit of every row
    assert checked.wrong == []
    assert checked.compared > SHARDS
    missing = {shard: sorted(set(range(1, STEPS + 1)) - held) for shard, held in checked.held_steps.items()}
    assert missing == expected
    assert found.pls == pytest.approx(sum(map(len, expected.values())) / (STEPS * SHARDS))
    shards = [event["shards"] for event in events if event["event"] == "saving" and "shards" in event]
    assert shards == [[number % SHARDS] for number in range(len(shards))]  # void ones wrote nothing to be told of


def test_what_cannot_rotate_says_so() -> None:
    for strategy, said in (
        ({**FULL, "recovery": "partial", "rotate": 1}, "strategy.rotate = 1: expected full recovery"),
        ({**FULL, "rotate": 4}, "strategy.rotate = 4: expected at most 3"),
    ):
        with pytest.raises(JobError) as error:
            small(strategy=strategy)
        assert said in str(error.value)
    saving = small(strategy={**FULL, "rotate": 2}).planned_strategy().saving
    assert isinstance(saving, RotatingSave)
    assert (saving.rotated, saving.experts) == (2, SHARDS)
