"""A hundred kills of every sort; ``python -m validation soak`` does a thousand."""

from __future__ import annotations

from validation.soak import soak


def test_a_hundred_kills() -> None:
    found = soak(100, seed=1, keep=None)
    assert found.wrong == []
    assert found.kills >= 100
    assert found.reloads_compared > 100
    for kind in (
        "hangs",
        "in_save",
        "in_recovery",
        "trainers",
        "whole_jobs",
        "several_shards",
        "detected_damage",
        "slept",
        "refused",
        "jumped",
        "aged",
        "advised",
        "resumed",
        "deleted",
    ):
        assert getattr(found, kind) > 0, kind
