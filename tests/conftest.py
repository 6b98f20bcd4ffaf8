"""Shared by all tests: published numbers, and which tests this machine can run."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

HERE = Path(__file__).parent
SLOW_S = 30.0
EXAMPLE = HERE.parent / "examples" / "production-dlrm.toml"

hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.load_profile("fixed")


def literature(name: str) -> dict[str, Any]:
    """Published numbers, each file with its source."""
    return tomllib.loads((HERE / "literature" / f"{name}.toml").read_text(encoding="utf-8"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Browser and torchrec tests run where these are (CI installs them), GPU tests on a GPU; else deselected."""
    absent = set()
    if not (shutil.which("chromium") or os.environ.get("CPRMODEL_CI")):
        absent.add("browser")
    if not (importlib.util.find_spec("torchrec") or os.environ.get("CPRMODEL_CI")):
        absent.add("torchrec")
    if any(item.get_closest_marker("gpu") for item in items):
        import torch

        if not torch.cuda.is_available():
            absent.add("gpu")
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in absent)]
    for item in items:
        framework = item.get_closest_marker("framework")
        if framework and importlib.util.find_spec(framework.args[0]) is None:
            left_out.append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A run that is cut short has told by then what took long."""
    if report.duration > SLOW_S and not os.environ.get("PYTEST_XDIST_WORKER"):
        print(f"\n{report.duration:.0f} s: {report.nodeid}", flush=True)


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """A command that ends leaves signals to the system; the tests that run it within their own process go on."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def example() -> Path:
    """The job file that grows with the product."""
    return EXAMPLE


def load_script(path: Path) -> ModuleType:
    """A script of the project (an example, a benchmark, a page's tool) as a module."""
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
