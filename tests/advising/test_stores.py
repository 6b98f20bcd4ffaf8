"""An advisor's file at a URL: fsspec's store in memory stands for one of objects."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from cprmodel import Advisor, AdvisorWarning, JobError, load_preset
from cprmodel.advising.stores import LocalStore, UrlStore, store_at

URL = "memory://run/advisor.json"
JOB = load_preset("rsc-1")


@pytest.fixture
def objects() -> Iterator[dict[str, Any]]:
    """What is in the store, by path."""
    MemoryFileSystem.store.clear()
    yield MemoryFileSystem.store
    MemoryFileSystem.store.clear()


def names(objects: dict[str, Any]) -> list[str]:
    return sorted(path.rpartition("/")[2] for path in objects)


def test_what_was_learned_outlives_the_process(objects: dict[str, Any]) -> None:
    with Advisor(JOB, "full", URL) as first:
        first.saved(100.0)
    second = Advisor(JOB, "full", URL)
    assert second.seen.saves == 1
    assert not second.interrupted
    second.saved(100.0)
    third = Advisor(JOB, "full", URL)
    assert third.interrupted
    assert third.seen.saves == 2
    assert names(objects) == ["advisor.json.00000002", "advisor.json.00000003"]  # and the one before


def test_who_had_it_before_cannot_spoil_it(objects: dict[str, Any]) -> None:
    """The fence: an old process writes into its own object alone, even between another's look and its write."""
    first = Advisor(JOB, "full", URL)
    second = Advisor(JOB, "full", URL)
    second.failed("shard", lost_s=0.0, recovery_s=0.0)
    before = bytes(objects["/run/advisor.json.00000002"].getvalue())
    with pytest.warns(AdvisorWarning, match="taken up by another process: what this one learns is not kept"):
        first.saved(100.0)
    first.close()
    assert bytes(objects["/run/advisor.json.00000002"].getvalue()) == before
    assert Advisor(JOB, "full", URL).seen.failures == 1


def test_two_that_begin_in_the_same_moment(objects: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have seen the same last number: the second gets the next one."""
    Advisor(JOB, "full", URL)
    monkeypatch.setattr(UrlStore, "_numbers", lambda self: [])
    Advisor(JOB, "full", URL)
    assert names(objects) == ["advisor.json.00000001", "advisor.json.00000002"]


def test_a_damaged_object_stays_and_learning_begins_again(objects: dict[str, Any]) -> None:
    Advisor(JOB, "full", URL).saved(100.0)
    MemoryFileSystem().pipe_file("/run/advisor.json.00000001", b"half")
    with pytest.warns(AdvisorWarning, match=r"is damaged \(.*kept as memory://run/advisor.json.00000001"):
        again = Advisor(JOB, "full", URL)
    assert again.seen.saves == 0
    assert bytes(objects["/run/advisor.json.00000001"].getvalue()) == b"half"


def test_a_store_that_fails_stops_nobody(objects: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its library raises."""
    advisor = Advisor(JOB, "full", URL)

    def broken(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("slow down")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryFileSystem, "pipe_file", broken)
        with pytest.warns(AdvisorWarning, match=r"could not be written \(RuntimeError: slow down\)"):
            advisor.saved(100.0)
        with pytest.raises(JobError, match=r"expected a file that can be written \(RuntimeError: slow down\)"):
            Advisor(JOB, "full", URL)
    advisor.saved(100.0)
    assert Advisor(JOB, "full", URL).seen.saves == 2


def test_which_store_is_meant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert isinstance(store_at(tmp_path / "a.json"), LocalStore)
    assert isinstance(store_at("file:///tmp/a.json"), LocalStore)
    with pytest.raises(JobError, match=r"Advisor: state = .?nosuch://a/b.?: expected a URL that fsspec can"):
        Advisor(JOB, "full", "nosuch://a/b")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(JobError, match="expected a URL that fsspec can open"):
        Advisor(JOB, "full", "memory://a/b")
