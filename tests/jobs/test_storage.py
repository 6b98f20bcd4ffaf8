"""Storage in job files: what it means, and one clear line for everything that is wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cprmodel import Exact, Job, JobError, SteadyState, plan
from cprmodel.costing import saving_of
from cprmodel.costing.storage import save_times_s
from cprmodel.facts.storage import StoredSave, TouchedRows
from cprmodel.jobs import job_from_text
from cprmodel.simulation.storage import times_of

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

HEAD = """
[job]
work = "56 d"
[cluster]
embedding_shards = 8
[failures]
mtbf = "28 h"
whole_job_share = 0.1
[accuracy]
max_metric_drop = 0.0005
metric_drop_per_pls = 0.005
[checkpoint]
"""
SIZE = 'size = "1.2 TB"\nbandwidth = "5 GB/s"\n'
WARNED = '[checkpoint.warning]\nlead = "5 min"\nrecall = 0.5\n'
LEVELS = '[[checkpoint.level]]\nsave = "9 s"\nsurvives = 0.9\n[[checkpoint.level]]\nsave = "4 min"\n'


def stored(text: str) -> StoredSave:
    saving = saving_of(job_from_text(HEAD + text))
    assert isinstance(saving, StoredSave)
    return saving


def test_a_drain_takes_size_over_bandwidth_and_blocks_for_save_first() -> None:
    saving = stored(SIZE + 'overlap = 0.9\nsave = "8 s"\n')
    level = saving.levels[0]
    assert (level.stall_s, level.save_s, saving.drain_s, saving.overlap) == (8, 0, 240, 0.9)
    assert saving.levels[0].load_s == 240  # as long as it takes to move: no snapshot is read back
    assert saving.save_s == pytest.approx(8 + 24)


CURVE = 'incremental = true\ndirty_curve = [["1 h", 0.25]]\n'
DRAINS = 'overlap = 0.9\ndrain = "4 min"\n'
BY_BANDWIDTH = 'size = "1 TB"\n[[checkpoint.level]]\nbandwidth = "20 GB/s"\nsurvives = 0.8\n'

#: What blocks in a save to each level after an hour's work, which touches a quarter of the rows; and its drain.
SPELLINGS: dict[str, tuple[str, list[float], float]] = {
    "a blocking copy by size": (SIZE + CURVE, [60.0], 0.0),
    "a blocking copy by time": ('save = "4 min"\n' + CURVE, [60.0], 0.0),
    "the same and a stall": ('save = "4 min"\nstall = "8 s"\n' + CURVE, [68.0], 0.0),
    "a copy by size and a stall": (SIZE + 'stall = "8 s"\n' + CURVE, [68.0], 0.0),
    "nothing that shrinks": ('save = "4 min"\nsave_shrinks = false\n' + CURVE, [240.0], 0.0),
    "a drain alone": (SIZE + "overlap = 0.9\n" + CURVE, [0.0], 60.0),
    "a snapshot before a drain": (SIZE + 'overlap = 0.9\nsave = "8 s"\n' + CURVE, [8.0], 60.0),
    "the same called a stall": (SIZE + 'overlap = 0.9\nstall = "8 s"\n' + CURVE, [8.0], 60.0),
    "a snapshot of what is written": ('save = "8 s"\nsave_shrinks = true\n' + DRAINS + CURVE, [2.0], 60.0),
    "that and a barrier": ('save = "8 s"\nsave_shrinks = true\nstall = "1 s"\n' + DRAINS + CURVE, [3.0], 60.0),
    "levels without a drain": (CURVE + LEVELS, [2.25, 60.0], 0.0),
    "a last level that drains": (DRAINS + CURVE + LEVELS, [2.25, 240.0], 60.0),
    "the same, shrinking": (DRAINS + CURVE + LEVELS + "save_shrinks = true\n", [2.25, 60.0], 60.0),
    "a first level that stalls": (CURVE + LEVELS.replace("survives", "save_shrinks = false\nsurvives"), [9, 60], 0),
    "a barrier at a level": (CURVE + LEVELS + 'stall = "5 s"\n', [2.25, 65.0], 0.0),
    "copies by bandwidth": (
        DRAINS + CURVE + BY_BANDWIDTH + '[[checkpoint.level]]\nbandwidth = "10 GB/s"\n',
        [12.5, 25.0],
        60.0,
    ),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_shrinks_with_the_rows_that_are_written(spelling: str) -> None:
    """By hand, from the file's text: both what is computed and what is played."""
    text, blocks, drain = SPELLINGS[spelling]
    saving = replace(stored(text.replace("CURVE", CURVE)), counts=())
    saving = replace(saving, counts=(1,) * (len(saving.levels) - 1))
    priced, drained = save_times_s(saving, 3600.0)
    assert [float(one) for one in priced] == pytest.approx(blocks)
    assert float(drained) == pytest.approx(drain)
    played, drained = times_of(saving, 3600.0)
    assert list(played) == pytest.approx(blocks)
    assert drained == pytest.approx(drain)


def test_what_drains_is_read_back_as_slowly() -> None:
    """A last level's snapshot of 9 s that drains for 4 min is not read back in 9 s."""
    job = job_from_text(HEAD + DRAINS + LEVELS.replace("4 min", "9 s"))
    assert (job.load_s, job.checkpoint.level_load_s(job.checkpoint.level[0])) == (240, 9)  # type: ignore[index]
    assert job_from_text(HEAD + 'save = "4 min"\nsave_shrinks = false\n' + CURVE).load_s == 240
    assert job_from_text(HEAD + SIZE + CURVE + 'stall = "8 s"\n').load_s == 240
    assert job_from_text(HEAD + DRAINS + LEVELS.replace("4 min", "9 s") + 'load = "1 min"\n').load_s == 60


def test_without_incremental_saves_everything_blocks() -> None:
    assert save_times_s(stored(DRAINS + 'save = "8 s"\n'), 60.0)[0] == [8.0]
    assert job_from_text(HEAD + SIZE + CURVE + 'stall = "8 s"\n').save_s == 248


def test_quantised_rows_are_smaller_and_cost_accuracy() -> None:
    plain, small = (
        job_from_text(HEAD + SIZE),
        job_from_text(HEAD + SIZE + "quantised_bits = 8\nembedding_dim = 64\n"),
    )
    assert small.save_s == pytest.approx(plain.save_s * (8 / 32 + 2 / 64))
    assert small.plain  # a blocking save of fewer bytes: every model knows it
    dear = job_from_text(HEAD + SIZE + "quantised_bits = 8\nembedding_dim = 64\nquantised_metric_drop = 0.0002\n")
    assert dear.pls_budget == pytest.approx(0.0003 / 0.005)
    best = plan(dear)["partial"]
    assert best.expected_metric_drop == pytest.approx(0.005 * best.expected_pls + 0.0002)


def test_dirty_rows_come_from_access() -> None:
    access = "[access]\n[[access.tables]]\nrows = 100000\nzipf = 1.05\nupdates_per_second = 1000.0\n"
    saving = stored(SIZE + "incremental = true\nalways_written = 0.02\n" + access)
    assert isinstance(saving.dirty, TouchedRows)
    assert 0.02 < float(saving.written(60.0)) < float(saving.written(3600.0)) < 1
    planned = plan(job_from_text(HEAD + SIZE + "incremental = true\n" + access))
    assert planned["partial-update-age"].order == "update-age"  # which takes the best of the dirty rows
    measured = plan(job_from_text(HEAD + SIZE + CURVE + 'stall = "8 s"\n' + access)).warnings
    said = "saves in an order of the rows are left out: beside checkpoint.dirty_curve"
    assert any(line.startswith(said) for line in measured)


def test_levels_that_are_given_by_bandwidth_and_how_often() -> None:
    saving = stored(
        'size = "1 TB"\n[[checkpoint.level]]\nname = "memory"\nbandwidth = "100 GB/s"\nsurvives = 0.8\n'
        '[[checkpoint.level]]\nbandwidth = "4 GB/s"\nload = "10 min"\nevery = 6\n'
    )
    assert [one.name for one in saving.levels] == ["memory", "level 2"]
    assert [one.save_s for one in saving.levels] == [10, 250]
    assert [one.partial_load_s for one in saving.levels] == [10 / 8, 600 / 8]
    assert saving.counts == (6,)


#: Where a warned save goes (None: to the last level, the second of two), what is left, and whether it is said.
WARNED_TO: dict[str, tuple[str, int | None, int | None, str]] = {
    "the last level, where it can be written": (WARNED, None, None, ""),
    "or the highest that can": (
        WARNED.replace("5 min", "2 min"),
        0,
        None,
        "a save on it goes to level 1, the highest",
    ),
    "what announced failures leave": (WARNED + 'leaves = "level 1"\n', 0, 0, ""),
    "a level as given": (WARNED + 'level = "level 1"\n', 0, None, ""),
    "a higher one than is left": (WARNED + 'leaves = "level 1"\nlevel = "level 2"\n', None, 0, ""),
}


@pytest.mark.parametrize("case", WARNED_TO)
def test_where_a_save_on_a_warning_goes(case: str) -> None:
    text, level, leaves, said = WARNED_TO[case]
    warned = stored(LEVELS + text).warned
    assert warned is not None
    assert (warned.level, warned.leaves, warned.save_s) == (level, leaves, 240 if level is None else 9)
    found = [line for line in job_from_text(HEAD + LEVELS + text).assumptions() if "warning" in line]
    assert (said in found[0]) if said else not found


@pytest.mark.parametrize("key", ['level = "level 2"', 'leaves = "level 2"'])
def test_a_warned_level_that_cannot_be_written_in_time_is_not_replaced(key: str) -> None:
    text = LEVELS + WARNED.replace("5 min", "2 min") + key
    assert stored(text).warned is None
    said = job_from_text(HEAD + text).assumptions()
    assert "checkpoint.warning comes 2 min ahead, too late for a save of 4 min to level 2: not used" in said


def test_a_warning_that_comes_too_late_is_said_not_used() -> None:
    text = SIZE + '[checkpoint.warning]\nlead = "2 min"\nrecall = 0.8\n'
    assert stored(text).warned is None
    assert any("too late for a save of 4 min" in line for line in plan(job_from_text(HEAD + text)).warnings)
    heeded = stored(text + 'save = "90 s"\n').warned
    assert heeded is not None
    assert (heeded.save_s, heeded.recall, heeded.precision) == (90, 0.8, 1)


def test_the_file_of_the_example_is_what_a_plan_prints() -> None:
    job = Job.from_file(EXAMPLES / "storage.toml")
    assert Job.from_mapping(job.model_dump(exclude_none=True)) == job


WRONG: dict[str, tuple[str, str]] = {
    "a drain without overlap": (
        'save = "8 s"\ndrain = "4 min"',
        "checkpoint.overlap: expected the share of the compute",
    ),
    "an overlap of what": ("overlap = 0.5", "checkpoint.drain: expected the time that a save drains, or size with"),
    "an overlap above 1": (SIZE + "overlap = 1.5", "checkpoint.overlap = 1.5: expected a number of at most 1"),
    "a stall of whole saves": (
        'save = "4 min"\nstall = "8 s"',
        'checkpoint.stall = "8 s": expected incremental = true (or rotating) beside it: else save is all that '
        "blocks",
    ),
    "whole saves that shrink": (
        LEVELS + "save_shrinks = true",
        "checkpoint.level.1.save_shrinks = true: expected incremental = true (or rotating) beside it",
    ),
    "a stall beside a snapshot": (
        DRAINS + CURVE + 'save = "8 s"\nstall = "1 s"',
        'checkpoint.stall = "1 s": expected save_shrinks = true beside it: save is itself a stall where a save '
        "drains in the background",
    ),
    "a stall beside a stall": (
        CURVE + LEVELS + 'save_shrinks = false\nstall = "1 s"',
        'checkpoint.level.1.stall = "1 s": expected save_shrinks = true beside it: save is itself a stall where a '
        "save has save_shrinks = false",
    ),
    "a bandwidth that doesn't shrink": (
        SIZE + CURVE + "save_shrinks = false",
        "checkpoint.save_shrinks = false: expected save beside it (a bandwidth gives a copy, which shrinks)",
    ),
    "levels and a stall": (
        CURVE + 'stall = "1 s"\n' + LEVELS,
        'checkpoint.stall = "1 s": expected it with each level, since there are levels',
    ),
    "no access": (SIZE + "incremental = true", "checkpoint.incremental = true: expected [access], or"),
    "a curve for nothing": (
        SIZE + 'dirty_curve = [["1 h", 0.2]]',
        'checkpoint.dirty_curve = [["1 h", 0.2]]: expected incremental = true beside it',
    ),
    "a curve that falls": (
        SIZE + 'incremental = true\ndirty_curve = [["1 h", 0.3], ["2 h", 0.2]]',
        'checkpoint.dirty_curve = ["2 h", 0.2]: expected pairs of useful work and share touched, both rising',
    ),
    "a curve without units": (
        SIZE + "incremental = true\ndirty_curve = [[true, 0.3]]",
        "checkpoint.dirty_curve = [true, 0.3]: expected pairs",
    ),
    "a curve with a wrong unit": (
        SIZE + 'incremental = true\ndirty_curve = [["1 GB", 0.3]]',
        'checkpoint.dirty_curve = "1 GB": expected a time with its unit',
    ),
    "bits without a dimension": (
        SIZE + "quantised_bits = 8",
        "checkpoint.embedding_dim: expected both quantised_bits",
    ),
    "bits of a time": (
        'save = "4 min"\nquantised_bits = 8\nembedding_dim = 64',
        "checkpoint.quantised_bits = 8: expected size with bandwidth",
    ),
    "a drop above the largest": (
        SIZE + "quantised_bits = 8\nembedding_dim = 64\nquantised_metric_drop = 0.001",
        "checkpoint.quantised_metric_drop = 0.001: expected less than accuracy.max_metric_drop (0.0005)",
    ),
    "levels and a save": ('save = "4 min"\n' + LEVELS, 'checkpoint.save = "4 min": expected it with each level'),
    "levels that survive less": (
        LEVELS.replace('save = "4 min"', 'save = "4 min"\nsurvives = 0.8'),
        "checkpoint.level.1.survives = 0.8: expected more than the level below survives (0.9; default: 1)",
    ),
    "a last level that dies": (
        LEVELS.replace('save = "4 min"', 'save = "4 min"\nsurvives = 0.95'),
        "checkpoint.level.1.survives = 0.95: expected 1: the last level survives every failure",
    ),
    "a level without a cost": (
        '[[checkpoint.level]]\nname = "memory"',
        "checkpoint.level.0.save: expected one of save and bandwidth",
    ),
    "a level by size": (
        LEVELS.replace('save = "4 min"', 'bandwidth = "4 GB/s"'),
        'checkpoint.level.1.bandwidth = "4 GB/s": expected checkpoint.size beside it',
    ),
    "how often the first": (
        LEVELS.replace("survives = 0.9", "survives = 0.9\nevery = 2"),
        "checkpoint.level.0.every = 2: expected no such key in the first level",
    ),
    "two levels in an order": (
        LEVELS.replace("survives = 0.9", "survives = 0.9\nordered = true").replace(
            "4 min", '4 min"\nordered = true #'
        ),
        "checkpoint.level.1.ordered = true: expected one level at most that takes the first rows, "
        'which "level 1" does',
    ),
    "an order of what": (
        LEVELS.replace("survives = 0.9", "survives = 0.9\nordered = true"),
        "checkpoint.level.0.ordered = true: expected [access] beside it",
    ),
    "a misspelt key of a level": (
        LEVELS.replace("survives", "survive"),
        'checkpoint.level.0.survive = 0.9: expected a known key, perhaps "survives"',
    ),
    "a warned level that is not there": (
        LEVELS + WARNED + 'level = "disk"',
        'checkpoint.warning.level = "disk": expected the name of a checkpoint.level: "level 1", "level 2"',
    ),
    "what a warning leaves, of one level": (
        SIZE + WARNED + 'leaves = "memory"',
        'checkpoint.warning.leaves = "memory": expected the name of a checkpoint.level',
    ),
    "a warned save that is lost": (
        LEVELS + WARNED + 'leaves = "level 2"\nlevel = "level 1"',
        'checkpoint.warning.level = "level 1": expected a level that announced failures leave: "level 2" or higher',
    ),
    "more announced than the level survives": (
        LEVELS + WARNED.replace("0.5", "0.95") + 'leaves = "level 1"',
        'checkpoint.warning.leaves = "level 1": expected a level that survives at least the failures that are '
        "announced (0.95 of all; it survives 0.9)",
    ),
    "a recall of what": (
        SIZE + '[checkpoint.warning]\nlead = "5 min"\nrecall = 1.5',
        "checkpoint.warning.recall = 1.5: expected a number of at most 1",
    ),
    "storage shared with nobody": (SIZE + "[storage]\nnodes = 8", "storage.jobs: expected one of share and jobs"),
    "a neighbour by size": (
        SIZE + '[storage]\nnodes = 8\n[[storage.jobs]]\nnodes = 4\nsize = "1 TB"',
        'storage.jobs.0.size = "1 TB": expected storage.bandwidth beside it',
    ),
}


WRONG |= {
    f"a flag that is {value}": (
        LEVELS.replace("0.9", f"0.9\nordered = {value}"),
        f"level.0.ordered = {value}: expected",
    )
    for value in ("1", "0", "-1", "1.5", '"true"', '"level 2"')
}
WRONG |= {
    f"{key} that is 1": (SIZE + f"{key} = 1", f"checkpoint.{key} = 1: expected true or false")
    for key in ("incremental", "save_shrinks", "save_before_limit")
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line(case: str) -> None:
    text, said = WRONG[case]
    with pytest.raises(JobError) as caught:
        job_from_text(HEAD + text + "\n")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


STORED: dict[str, Any] = {
    "checkpoint.overlap": SIZE + "overlap = 0.9",
    "checkpoint.level": LEVELS,
    "checkpoint.incremental": SIZE + 'stall = "5 s"\nincremental = true\ndirty_curve = [["1 h", 0.2]]',
    "storage": SIZE + "[storage]\nnodes = 8\nshare = 0.5",
}


@pytest.mark.parametrize("field", STORED)
def test_a_model_that_does_not_know_it_refuses(field: str) -> None:
    job = job_from_text(HEAD + STORED[field] + "\n")
    assert isinstance(plan(job).model, SteadyState)
    with pytest.raises(
        JobError, match=re.escape(f"{field}: expected --model steady-state, or no such key: the exact model")
    ):
        plan(job, Exact())
