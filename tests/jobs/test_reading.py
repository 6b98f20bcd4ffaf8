"""Job files: what they mean, and one clear line for everything that is wrong."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cprmodel import Accuracy, Checkpoint, Cluster, Failures, Job, JobError, Work
from cprmodel.jobs import AccuracyModel, job_from_mapping, job_from_text
from cprmodel.jobs.schema import job_file_schema
from tests.conftest import EXAMPLE

TEXT = EXAMPLE.read_text(encoding="utf-8")

TIME = 'a time with its unit, such as "30 min"'


def test_the_example_as_understood() -> None:
    job = Job.from_file(EXAMPLE)
    assert job.job.work_s == 56 * 3600
    assert job.save_s == job.load_s == 240
    mix = job.failure_mix
    assert (mix.mtbf_s, mix.shard_share, mix.trainer_share, mix.whole_job_share) == (100800, 0.9, 0.05, 0.05)
    assert job.full_recovery.reschedule_s == 600  # detection counts as rescheduling
    partial = job.partial_recovery
    assert (partial.partial_load_s, partial.partial_reschedule_s, partial.trainer_reschedule_s) == (30, 180, 180)
    assert job.pls_budget == 0.1


def test_python_and_file_describe_the_same_job() -> None:
    made = Job(
        job=Work(work_s=56 * 3600, step_s=0.2, current_interval_s=1800),
        cluster=Cluster(embedding_shards=8, trainers=20),
        failures=Failures(mtbf_s=28 * 3600, shard_share=0.9, trainer_share=0.05, whole_job_share=0.05),
        checkpoint=Checkpoint(
            save_s=240, load_s=240, detect_s=60, reschedule_s=540, partial_load_s=30, partial_reschedule_s=120
        ),
        accuracy=Accuracy(pls_budget=0.1, metric_drop_per_pls=0.005),
    )
    assert made == Job.from_file(EXAMPLE)
    assert Job.from_mapping(made.model_dump(exclude_none=True)) == made


def test_defaults() -> None:
    job = job_from_text(
        '[job]\nwork = "10 h"\n[cluster]\nembedding_shards = 4\n[failures]\nmtbf = "5 h"\ntrainer_share = 0.2\n'
        '[checkpoint]\nsize = "1.2 TB"\nbandwidth = "5 GB/s"\nreschedule = "8 min"\n'
    )
    assert job.save_s == job.load_s == 240
    assert job.failure_mix.shard_share == 0.8
    assert job.partial_recovery.partial_load_s == 60
    assert job.partial_recovery.partial_reschedule_s == 480
    assert job.pls_budget is None
    assert any("load" in line for line in job.assumptions())


def test_failures_of_more_nodes_than_hold_shards_are_noted() -> None:
    """Without a share of trainers each failure costs a shard; a share that is given, even of 0, is an answer."""
    text = (
        '[job]\nwork = "10 h"\n[cluster]\nembedding_shards = 12\n[failures]\nnode_mtbf = "80 d"\nnodes = {}\n{}\n'
        '[checkpoint]\nsave = "4 min"\n[accuracy]\npls_budget = 0.02\n'
    )

    def noted(nodes: int, more: str = "") -> list[str]:
        return [line for line in job_from_text(text.format(nodes, more)).assumptions() if "trainer_share" in line]

    (said,) = noted(48)
    assert said.endswith(
        "each failure is taken to cost a shard, or everybody, though no more than 12 of 48 nodes hold one"
    )
    assert noted(12) == noted(48, "trainer_share = 0") == noted(48, "trainer_share = 0.6") == []


def test_rates_of_nodes() -> None:
    base = {"job": {"work": "10 h"}, "checkpoint": {"save": "1 min"}}
    by_node = job_from_mapping({**base, "failures": {"node_mtbf": "100 d", "nodes": 50}})
    assert by_node.failure_mix.mtbf_s == 2 * 86400
    by_days = job_from_mapping({**base, "failures": {"per_1000_node_days": 6.5, "nodes": 128}})
    assert by_days.failure_mix.mtbf_s == pytest.approx(1000 * 86400 / (6.5 * 128))


def test_metric_drop_sets_the_budget() -> None:
    text = TEXT.replace("pls_budget = 0.1", "max_metric_drop = 0.0002")
    assert job_from_text(text).pls_budget == pytest.approx(0.04)
    generous = TEXT.replace("pls_budget = 0.1", "max_metric_drop = 0.1")
    assert job_from_text(generous).pls_budget == 1  # no PLS can exceed 1


BAD = [
    # what to replace, with what, field, value, expected
    ('save = "4 min"', 'save = "4"', "checkpoint.save", '"4"', TIME),
    ('save = "4 min"', "save = 4", "checkpoint.save", "4", TIME),
    ('save = "4 min"', 'save = "10 GB/s"', "checkpoint.save", '"10 GB/s"', TIME),
    (
        'save = "4 min"',
        'size = "10 GB/s"\nbandwidth = "1 GB/s"',
        "checkpoint.size",
        '"10 GB/s"',
        "a size with its unit",
    ),
    (
        'save = "4 min"',
        'size = "10 GB"\nbandwidth = "1 GB"',
        "checkpoint.bandwidth",
        '"1 GB"',
        "a bandwidth with its",
    ),
    ('save = "4 min"', 'save = "-4 min"', "checkpoint.save", '"-4 min"', "greater than 0"),
    ('save = "4 min"', 'save = "0 s"', "checkpoint.save", '"0 s"', "greater than 0"),
    ('save = "4 min"', "save = nan", "checkpoint.save", "nan", TIME),
    ('save = "4 min"', "save = inf", "checkpoint.save", "inf", TIME),
    ('save = "4 min"', 'save = "1e999 h"', "checkpoint.save", '"1e999 h"', "finite"),
    ('save = "4 min"', 'save = "1e99 h"', "checkpoint.save", '"1e99 h"', "at most 1e+12 s"),
    ('save = "4 min"', 'save = "30 h"', "checkpoint.save", '"30 h"', "not longer than the job's MTBF (28 h)"),
    ('save = "4 min"', 'save_s = "4 min"', "checkpoint.save_s", '"4 min"', "a number in SI units"),
    ('save = "4 min"', "save_s = -4.0", "checkpoint.save_s", "-4", "greater than 0"),
    ('save = "4 min"', 'save = "4 min"\nsave_s = 240', "checkpoint.save", '"4 min"', "only one of save and save_s"),
    (
        'save = "4 min"',
        'save = "4 min"\nsize = "1 TB"',
        "checkpoint.save and size",
        '"4 min" and "1 TB"',
        "either save, or",
    ),
    ('save = "4 min"', 'size = "1 TB"', "checkpoint.bandwidth", "", "either save, or size with bandwidth"),
    ('save = "4 min"', "", "checkpoint.save", "", "either save, or size with bandwidth"),
    ('load = "4 min"', 'load = "-1 s"', "checkpoint.load", '"-1 s"', "not negative"),
    ("pls_budget = 0.1", "pls_budget = 1.5", "accuracy.pls_budget", "1.5", "at most 1"),
    ("pls_budget = 0.1", "pls_budget = 0", "accuracy.pls_budget", "0", "at least 1e-12"),
    ("pls_budget = 0.1", "pls_budget = -0.1", "accuracy.pls_budget", "-0.1", "at least 1e-12"),
    ("pls_budget = 0.1", "pls_budget = nan", "accuracy.pls_budget", "nan", "finite"),
    ("pls_budget = 0.1", 'pls_budget = "0.1"', "accuracy.pls_budget", '"0.1"', "without quotes"),
    ("pls_budget = 0.1", "", "accuracy.pls_budget", "", "either pls_budget, or max_metric_drop"),
    (
        "pls_budget = 0.1",
        "pls_budget = 0.1\nmax_metric_drop = 0.1",
        "accuracy.pls_budget and max_metric_drop",
        "0.1 and 0.1",
        "only one of the two",
    ),
    ("shard_share = 0.9", "shard_share = 0.8", "failures.shard_share + ", "0.9", "shares that sum to 1"),
    ("shard_share = 0.9", "shard_share = -0.9", "failures.shard_share", "-0.9", "at least 0"),
    ("trainer_share = 0.05", "trainer_share = 1.2", "failures.trainer_share", "1.2", "at most 1"),
    (
        "shards_per_failure = 1",
        "shards_per_failure = 9",
        "failures.shards_per_failure",
        "9",
        "embedding_shards (8)",
    ),
    ("shards_per_failure = 1", "shards_per_failure = 0", "failures.shards_per_failure", "0", "at least 1"),
    ('mtbf = "28 h"', 'mtfb = "28 h"', "failures.mtfb", '"28 h"', 'perhaps "mtbf"'),
    ('mtbf = "28 h"', "nodes = 4", "failures.mtbf", "", "exactly one of mtbf, node_mtbf"),
    ('mtbf = "28 h"', 'node_mtbf = "28 h"', "failures.nodes", "", "since node_mtbf is given"),
    (
        'mtbf = "28 h"',
        'mtbf = "28 h"\nnode_mtbf = "3 h"\nnodes = 2',
        "failures.mtbf and node_mtbf",
        '"28 h" and "3 h"',
        "exactly one",
    ),
    ("embedding_shards = 8", "embedding_shards = 0", "cluster.embedding_shards", "0", "at least 1"),
    ("embedding_shards = 8", "embedding_shards = 2.5", "cluster.embedding_shards", "2.5", "a whole number"),
    (
        "embedding_shards = 8",
        "embedding_shards = 1e300",
        "cluster.embedding_shards",
        "",
        "a whole number of at most",
    ),
    ("pls_budget = 0.1", "pls_budget = 1e-300", "accuracy.pls_budget", "1e-300", "at least 1e-12"),
    ("pls_budget = 0.1", "max_metric_drop = 1e-300", "accuracy.max_metric_drop", "1e-300", "at least 1e-12 of"),
    ("embedding_shards = 8", "embedding_shards = true", "cluster.embedding_shards", "true", "a plain number"),
    ('step = "0.2 s"', 'step = "60 h"', "job.step", '"60 h"', "not longer than the job's work"),
    ('step = "0.2 s"', 'current_recovery = "none"', "job.current_recovery", '"none"', '"full" or "partial"'),
    ('work = "56 h"', "", "job.work", "", "it is missing"),
    ('[job]\nwork = "56 h"', '[jb]\nwork = "56 h"', "jb", "", 'perhaps "job"'),
    ("[accuracy]", "[accuracy", "", "", "TOML"),
]


@pytest.mark.parametrize(
    ("old", "new", "field", "value", "expected"), BAD, ids=[f"{b[2]}: {b[1][:24]}" for b in BAD]
)
def test_one_clear_line(old: str, new: str, field: str, value: str, expected: str) -> None:
    assert old in TEXT
    with pytest.raises(JobError) as caught:
        job_from_text(TEXT.replace(old, new, 1), "JOB.toml")
    line, *others = str(caught.value).splitlines()
    assert not others
    assert line.startswith("JOB.toml: ")
    assert field in line
    assert expected in line
    if value:
        assert f" = {value}: expected" in line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path, expected in [
        (tmp_path / "nope.toml", "no such file"),
        (tmp_path, "not a folder"),
    ]:
        with pytest.raises(JobError, match=expected):
            Job.from_file(path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(JobError, match="UTF-8"):
        Job.from_file(binary)


def test_what_editors_and_languages_add() -> None:
    assert job_from_text(TEXT.replace("\n", "\r\n")).job.work_s == 56 * 3600
    with pytest.raises(JobError, match="expected a mapping of tables, not NoneType"):
        job_from_mapping(None)  # type: ignore[arg-type]
    with pytest.raises(JobError, match="nested brackets"):
        job_from_text("a = " + "[" * 20_000)
    with pytest.raises(JobError) as caught:
        job_from_text(TEXT.replace('"4 min"', f'"{"x" * 5000}"', 1))
    assert len(str(caught.value)) < 300


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "windows.toml"
    path.write_text(TEXT, encoding="utf-8-sig")
    assert Job.from_file(path) == Job.from_file(EXAMPLE)


def test_all_problems_are_kept() -> None:
    """Several in one table, a misspelt key among them, and one in another: each has a line of the text."""
    text = TEXT.replace('"4 min"', '"4"', 1).replace("pls_budget = 0.1", "pls_budget = 3")
    with pytest.raises(JobError) as caught:
        job_from_text(text.replace('detect = "1 min"', 'detect = "1,5 min"\nlod = "1 s"'))
    fields = ["checkpoint.save", "checkpoint.detect", "checkpoint.lod", "accuracy.pls_budget"]
    assert [problem.field for problem in caught.value.problems] == fields
    assert [line.split()[1].rstrip(":") for line in str(caught.value).splitlines()] == fields
    assert "with a decimal point: 1.5, not 1,5" in str(caught.value)


MODEL = {
    "schema_version": 1,
    "kind": "accuracy model",
    "metric": "auc",
    "metric_drop_per_pls": 0.005,
    "interval_90": [0.004, 0.006],
    "linear_to_pls": 0.2,
    "runs": 20,
    "seeds": 4,
    "record": "runs.csv",
}
WITH_MODEL = TEXT.replace("metric_drop_per_pls = 0.005", 'model = "model.json"').replace(
    "pls_budget = 0.1", "max_metric_drop = 0.0002"
)


def job_with_model(folder: Path, model: object, text: str = WITH_MODEL) -> Job:
    (folder / "model.json").write_text(model if isinstance(model, str) else json.dumps(model), encoding="utf-8")
    (folder / "job.toml").write_text(text, encoding="utf-8")
    return Job.from_file(folder / "job.toml")


def test_a_fitted_model_stands_for_the_slope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found beside the job file wherever the command runs, and kept within what the job says of itself."""
    job = job_with_model(tmp_path, MODEL | {"fitted_by": "a later version"})
    assert job.pls_budget == pytest.approx(0.04)
    assert job.accuracy is not None
    assert job.accuracy.slope == 0.005
    assert Job.from_mapping(job.model_dump(exclude_none=True)) == job
    assert Job.from_mapping(json.loads(json.dumps(job.model_dump(exclude_none=True)))) == job
    monkeypatch.chdir(tmp_path)  # in Python a path is relative to the working folder
    assert job_from_text(WITH_MODEL) == job
    made = Accuracy(max_metric_drop=0.0002, model=AccuracyModel.model_validate(MODEL))
    assert made == job.accuracy
    least = {key: MODEL[key] for key in ("kind", "metric_drop_per_pls", "runs", "seeds")}
    assert job_with_model(tmp_path, least).pls_budget == pytest.approx(0.04)


WRITTEN = "a JSON file that cprmodel accuracy --out wrote"
FIELD = "accuracy.model."
BAD_MODELS: list[tuple[object, str]] = [
    ("{", f'accuracy.model = "model.json": expected {WRITTEN}'),
    ("[" * 20_000, f'accuracy.model = "model.json": expected {WRITTEN}'),
    ([1], f'accuracy.model = "model.json": expected {WRITTEN}'),
    (MODEL | {"kind": "failure model"}, f'accuracy.model = "model.json": expected {WRITTEN}'),
    (MODEL | {"schema_version": 2}, f"{FIELD}schema_version = 2: expected 1"),
    (MODEL | {"metric_drop_per_pls": -0.3}, f"{FIELD}metric_drop_per_pls = -0.3: expected a slope greater than 0"),
    (MODEL | {"metric_drop_per_pls": 0}, f"{FIELD}metric_drop_per_pls = 0: expected a slope greater than 0"),
    (MODEL | {"metric_drop_per_pls": "1"}, f'{FIELD}metric_drop_per_pls = "1": expected a plain number'),
    (MODEL | {"metric_drop_per_pls": math.nan}, f"{FIELD}metric_drop_per_pls = nan: expected a finite number"),
    ({"kind": "accuracy model", "runs": 1, "seeds": 1}, f"{FIELD}metric_drop_per_pls: expected this key, but"),
    (MODEL | {"interval_90": [1, 2]}, f"{FIELD}interval_90 = [1, 2]: expected an interval that holds"),
    (MODEL | {"interval_90": 3}, f"{FIELD}interval_90 = 3: expected a list"),
    (MODEL | {"linear_to_pls": 0}, f"{FIELD}linear_to_pls = 0: expected a number greater than 0"),
    (MODEL | {"seeds": 0}, f"{FIELD}seeds = 0: expected a number of at least 1"),
]


@pytest.mark.parametrize(("model", "expected"), BAD_MODELS, ids=[bad[1][:50] for bad in BAD_MODELS])
def test_a_model_that_cannot_be_used_is_one_line(model: object, expected: str, tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        job_with_model(tmp_path, model)
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'job.toml'}: {expected}")
    assert "\n" not in line
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "model.json",
            "nope.json",
            'accuracy.model = "nope.json": expected an accuracy model, but there is no such',
        ),
        ("model.json", ".", 'accuracy.model = ".": expected a file that can be read'),
        (
            "model.json",
            "a\\u0000b",
            '"a\x00b": expected an accuracy model, but there is no such file',
        ),
        ('"model.json"', "3", "accuracy.model = 3: expected the path of an accuracy model, in quotes"),
        (
            'model = "model.json"',
            'model = "model.json"\nmetric_drop_per_pls = 0.1',
            'accuracy.metric_drop_per_pls and model = 0.1 and "model.json": expected only one of the two',
        ),
        (
            'model = "model.json"',
            "",
            "accuracy.metric_drop_per_pls: expected the metric lost per unit of PLS (or a",
        ),
    ],
)
def test_a_model_that_is_named_wrongly(old: str, new: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        job_with_model(tmp_path, MODEL, WITH_MODEL.replace(old, new))
    assert expected in str(caught.value)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("3 min"), st.just("1 GB/s")
)
KEYS = [
    "work",
    "step",
    "mtbf",
    "nodes",
    "save",
    "size",
    "bandwidth",
    "load",
    "shard_share",
    "pls_budget",
    "x",
    "save_s",
    "model",
    "max_metric_drop",
]
TABLES = st.dictionaries(st.sampled_from(KEYS), SCALARS | st.lists(SCALARS, max_size=2), max_size=5)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pls_budget = 0,1", "a decimal point, not a comma"),
        ("pls_budget = .1", "a figure before the decimal point"),
        ("pls_budget = 1.", "a figure after the decimal point"),
        ("pls_budget = 10%", "a fraction, such as 0.1 for 10%"),
        ("step = 10 min", "a quantity in quotes"),
        ("step = 10min", "a quantity in quotes"),
        ("step = “10 min”", "straight quotes"),
        ('step = "10 min', "a quote that is closed"),
        ("incremental = True", "true or false"),
        ("current_recovery = full", "text in quotes"),
        ("step =", "a value after the ="),
        ("step: 10 min", 'not "key: value"'),
        ("[cluster", "a heading that is closed, such as [job]"),
        ("[[checkpoint.level]", "a heading that is closed, such as [[checkpoint.level]]"),
        ("// a remark", "# before a remark"),
        ('work = "1 h"', "each key once in its table; line 3 has it again"),
        ("[job]", "each table once; [job] is there a second time in line 3"),
        ("a == 1", "TOML (invalid value in line 3: a == 1)"),
    ],
)
def test_slips_of_toml_are_named_with_their_line(line: str, said: str) -> None:
    with pytest.raises(JobError) as caught:
        job_from_text(f'[job]\nwork = "5 d"\n{line}\n[failures]\nmtbf = "1 d"\n', "JOB.toml")
    (problem,) = caught.value.problems
    assert problem.expected.startswith("TOML")
    assert said in problem.expected
    assert "in line 3" in problem.expected or "line 3 has" in problem.expected


def test_json_is_no_toml() -> None:
    with pytest.raises(JobError, match="TOML, not JSON"):
        job_from_text('{"job": {"work": "5 d"}}')


def test_an_error_names_the_keys_that_were_written() -> None:
    """A save by size and bandwidth, and an MTBF by nodes."""
    with pytest.raises(JobError) as caught:
        job_from_mapping(
            {
                "job": {"work": "5 d"},
                "failures": {"nodes": 100_000, "per_1000_node_days": 1000},
                "checkpoint": {"size": "1 TB", "bandwidth": "10 GB/s"},
            }
        )
    assert str(caught.value) == (
        'job: checkpoint.size / bandwidth = "1 min 40 s": expected a save that is not longer than the job\'s MTBF '
        "(864 ms, by failures.per_1000_node_days)"
    )


@given(
    st.dictionaries(
        st.sampled_from(["job", "cluster", "failures", "checkpoint", "accuracy", "y"]), TABLES | SCALARS
    )
)
def test_any_mapping_is_a_job_or_a_clear_line(data: dict[str, object]) -> None:
    """One line for each thing that is wrong."""
    said, problems = ["expected"], 1
    try:
        job_from_mapping(data)
    except JobError as error:
        said, problems = str(error).splitlines(), len(error.problems)
    assert len(said) == problems
    assert all("expected" in line for line in said)


def test_the_schema_accepts_the_example_and_refuses_a_bare_number() -> None:
    import tomllib

    import jsonschema

    schema = job_file_schema()
    data = tomllib.loads(TEXT)
    jsonschema.validate(data, schema)
    jsonschema.validate(tomllib.loads(WITH_MODEL), schema)
    data["checkpoint"]["save"] = 4
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema)


def test_every_table_is_frozen_and_documented() -> None:
    job = Job.from_file(EXAMPLE)
    with pytest.raises(ValueError, match="frozen"):
        job.failures.mtbf_s = 1.0  # type: ignore[misc]
    tables = [Work, Cluster, Failures, Checkpoint, Accuracy]
    for name, field in itertools.chain.from_iterable(table.model_fields.items() for table in tables):
        assert field.description, name


FIT = {
    "events": 12,
    "exposure_s": 1e6,
    "best": "gamma",
    "models": [
        {"name": "gamma", "shape": 0.8, "scale_s": 1e5, "log_likelihood": -1.0, "aic": 4.0},
        {"name": "weibull", "shape": 0.9, "scale_s": 8e4, "log_likelihood": -2.0, "aic": 6.0},
    ],
    "trend": {"p_value": 0.4, "change_p_value": None},
}


def with_rate(rate: str) -> str:
    return TEXT.replace('mtbf = "28 h"', rate)


def test_a_fit_is_read_beside_the_job_file(tmp_path: Path) -> None:
    (tmp_path / "fit.json").write_text(json.dumps(FIT))
    (tmp_path / "job.toml").write_text(with_rate('fit = "fit.json"'))
    job = Job.from_file(tmp_path / "job.toml")
    fit = job.failures.fit
    assert fit is not None
    assert (fit.mtbf_s, fit.law, fit.shape, fit.weibull_shape) == (pytest.approx(1e6 / 12), "gamma", 0.8, 0.9)
    assert fit.trend_p_value == 0.4
    assert job.failure_mix.mtbf_s == pytest.approx(1e6 / 12)
    assert Job.from_mapping(job.model_dump(exclude_none=True)) == job
    assert job.with_mtbf(5e4).failures.fit is None
    assert Job.from_mapping({"job": {"work": "9 h"}, "failures": {"fit": FIT}, "checkpoint": {"save": "1 s"}})


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ('fit = "nope.json"', 'failures.fit = "nope.json": expected a fit, but there is no such file'),
        ('fit = "other.json"', "expected a JSON file that cprmodel fit --json wrote"),
        ('fit = "broken.json"', "expected a JSON file that cprmodel fit --json wrote"),
        ('fit = "none.json"', "a fit with at least one failure: with none the MTBF is known to be at least 5 h"),
        ("fit = 3", "expected the path of a fit, in quotes"),
        ('fit = "fit.json"\nmtbf = "3 h"', "exactly one of mtbf"),
        ('trace = "t.csv"\nmtbf = "3 h"', "exactly one of mtbf"),
        ('mtbf = "3 h"\nunit = "h"', 'failures.unit = "h": expected a trace beside it'),
        ('trace = "t.csv"', 'failures.trace = "t.csv": expected a job read by cprmodel.load_job'),
    ],
)
def test_what_is_wrong_with_a_fit_is_one_line(rate: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "fit.json").write_text(json.dumps(FIT))
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "broken.json").write_text(json.dumps({"models": [3]}))
    (tmp_path / "none.json").write_text(json.dumps({**FIT, "events": 0, "mtbf_ci90_s": [18000, None]}))
    (tmp_path / "job.toml").write_text(with_rate(rate))
    with pytest.raises(JobError) as caught:
        Job.from_file(tmp_path / "job.toml")
    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("mtbf", [-1.0, 0.0, float("nan"), "3 h", None, True])
def test_another_mtbf_is_a_number_of_seconds(mtbf: Any) -> None:
    example = Job.from_file(EXAMPLE)
    with pytest.raises(JobError) as caught:
        example.with_mtbf(mtbf)
    assert str(caught.value) == f"with_mtbf: mtbf_s = {mtbf!r}: expected a number of seconds greater than 0"
    assert example.with_mtbf(np.float32(3600)).failure_mix.mtbf_s == 3600


def test_failures_alone_have_no_mtbf_before_their_trace_is_fitted() -> None:
    with pytest.raises(JobError, match="load_job"):
        _ = Failures(trace="t.csv").mtbf_of_job_s
