"""Tests that take a device: on a CPU, through torch, in every suite; on a GPU where there is one (marker gpu)."""

from __future__ import annotations

import pytest

__all__ = ["of_a_case", "on_devices"]

#: "cpu:0" and not "cpu", with which a shard does without torch.
on_devices = pytest.mark.parametrize(
    "device", [pytest.param("cpu:0", id="cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
)


def of_a_case(device: str) -> dict[str, dict[str, str]]:
    """The tables of a case whose MLPs and rows live there."""
    name = device.split(":")[0]
    return {"training": {"device": name}, "shards": {"device": name}}
