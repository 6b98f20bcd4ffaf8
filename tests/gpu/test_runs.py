"""Whole runs with real processes whose MLPs and rows a device holds: what is promised on a CPU holds there."""

from __future__ import annotations

from pathlib import Path

from tests.devices import of_a_case, on_devices
from tests.validation.helpers import small, train
from validation.audit import audit
from validation.summary import Summary

KILLS = [
    {"kind": "shard", "shards": [1], "step": 11, "phase": "update"},
    {"kind": "trainer", "step": 20},
    {"kind": "shard", "shards": [0, 2], "step": 27},
]


def run(device: str, folder: Path, recovery: str, killed: bool, journal: bool = False) -> Summary:
    """Of a small case; CUDA takes its time to begin."""
    case = small(
        KILLS if killed else [],
        strategy={"recovery": recovery},
        timeouts={"start": "2 min", "shard": "30 s"},
        journal=journal,
        **of_a_case(device),
    )
    _, found = train(case, folder)
    assert found.status == "finished"
    assert found.unplanned_deaths == 0
    assert not found.corrupt
    if journal:
        result = audit(case, folder)
        assert result.wrong == []
        assert result.compared > case.shards.count
    return found


@on_devices
def test_full_recovery_ends_with_the_weights_of_the_run_without_failures(device: str, tmp_path: Path) -> None:
    """To the last bit: steps that are done again are the same steps."""
    calm = run(device, tmp_path / "calm", "full", killed=False)
    found = run(device, tmp_path / "killed", "full", killed=True)
    assert len(found.failures) == len(KILLS)
    assert found.replayed_steps > 0
    assert found.digests == calm.digests
    assert found.auc == calm.auc


@on_devices
def test_what_partial_recovery_leaves_is_what_the_journal_says(device: str, tmp_path: Path) -> None:
    """Replayed row by row by an auditor who knows no device, and compared bit by bit."""
    found = run(device, tmp_path / "run", "partial", killed=True, journal=True)
    assert len(found.failures) == len(KILLS)
    assert found.lost_samples > 0
