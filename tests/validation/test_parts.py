"""An experiment in parts, or on a cluster, tells what it tells on one machine, figure by figure."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cprmodel.cli.cluster import submitting
from cprmodel.facts.errors import JobError
from cprmodel.facts.parts import Part, part_from
from tests.validation.test_experiment import JOB, SMALL
from validation.cli.experiment import _plain
from validation.experiment.compare import compare
from validation.experiment.design import Experiment
from validation.experiment.parts import LOG, decided, folder_of, merge
from validation.experiment.runner import Runner
from validation.summary import summarise

SECTION: dict[str, Any] = {
    "seeds": 2,
    "strategies": [{"recovery": "partial", "interval_steps": [10]}],
    "recommended": True,
    "pls_budget": 0.2,
    "losses": [{"name": "late", "pls": 0.1, "failures": 2, "window": [0.5, 1.0]}],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path]:
    """On one machine: nothing in it depends on how fast that is."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "job.toml").write_text(JOB.format(trainer=0.0))
    clock = {"job": str(folder / "job.toml")}
    experiment = Experiment.from_mapping({**SMALL, "experiment": SECTION, "clock": clock})
    assert isinstance(experiment, Experiment)
    Runner(experiment, folder / "out").run()
    return experiment, folder / "out"


def found(folder: Path) -> str:
    return json.dumps(_plain(compare(folder)), sort_keys=True)


def test_parts_are_the_whole(whole: tuple[Experiment, Path], tmp_path: Path) -> None:
    experiment, alone = whole
    out = tmp_path / "out"
    with pytest.raises(JobError, match=r"--merge 2: expected in .*1-of-2 the log of this part"):
        merge(experiment, out, 2)
    for number in (2, 1):  # in whatever order
        Runner(experiment, out, part=Part(number, 2)).run(resume=True)
    runs = sorted(path.relative_to(alone).parent for path in alone.glob("seed-*/*/events.jsonl"))
    shares = [len(list((out / "parts" / f"{n}-of-2").glob("seed-*/*/events.jsonl"))) for n in (1, 2)]
    assert shares == [len(runs) // 2] * 2
    # one that was cut off, one that lacks a run and one of another case are not merged
    part = out / "parts" / "2-of-2" / LOG
    lines = part.read_text().splitlines(keepends=True)
    part.write_text("".join(lines[:-1]))
    with pytest.raises(JobError, match=r"a part that is complete \(--resume goes on with it\)"):
        merge(experiment, out, 2)
    part.write_text("".join(lines[:-2] + lines[-1:]))
    with pytest.raises(JobError, match=f"{len(runs)} runs in all parts, not {len(runs) - 1}"):
        merge(experiment, out, 2)
    part.write_text("".join(lines))
    with pytest.raises(JobError, match="a part of the same case file"):
        merge(experiment.model_copy(update={"journal": True}), out, 2)
    assert not (out / LOG).exists()
    merge(experiment, out, 2)
    assert sorted(path.relative_to(out).parent for path in out.glob("seed-*/*/events.jsonl")) == runs
    assert found(out) == found(alone)
    with pytest.raises(JobError, match="parts that are not merged yet"):
        merge(experiment, out, 2)
    Runner(experiment, out).run(resume=True)  # nothing is left to do
    assert found(out) == found(alone)


@pytest.mark.parametrize("on", ["dask://local", pytest.param("ray://local", marks=pytest.mark.framework("ray"))])
@pytest.mark.filterwarnings("ignore")
def test_runs_on_a_cluster(on: str, whole: tuple[Experiment, Path], tmp_path: Path) -> None:
    """One of them, which loses what it loses on this machine, and learns the same."""
    experiment, alone = whole
    few = {"recommended": False, "losses": (), "seeds": 1}
    section = experiment.experiment.model_copy(update=few)
    with submitting(on) as submit:
        Runner(experiment.model_copy(update={"experiment": section}), tmp_path, submit=submit).run()
    here, there = (summarise(folder / "seed-01" / "partial-10" / "events.jsonl") for folder in (alone, tmp_path))
    assert there.status == "finished"
    assert there.failures
    assert (there.digests, there.auc, there.lost_steps) == (here.digests, here.auc, here.lost_steps)


def test_what_is_decided_once_is_decided_by_the_first(whole: tuple[Experiment, Path], tmp_path: Path) -> None:
    """Where times are measured, what plan recommends depends on the machine that measured."""
    with pytest.raises(JobError, match=r"--part 2/3: expected part 1/3 to have come to what plan recommends"):
        decided(Part(2, 3), tmp_path, "recommended")
    folder_of(Part(1, 3), tmp_path).mkdir(parents=True)
    shutil.copy(whole[1] / LOG, folder_of(Part(1, 3), tmp_path) / LOG)
    assert decided(Part(2, 3), tmp_path, "recommended")["recovery"] in ("full", "partial")


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "-1/3", "1/99999", "a/b", "1/3/4"])
def test_what_is_no_part_is_one_line(text: str) -> None:
    with pytest.raises(JobError, match="expected the number of a part and how many there are, such as 3/8"):
        part_from(text)
