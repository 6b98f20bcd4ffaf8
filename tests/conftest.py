"""Shared by all tests: published numbers, and which tests this machine can run."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import secrets
import shutil
import signal
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

HERE = Path(__file__).parent
SLOW_S = 30.0
EXAMPLE = HERE.parent / "examples" / "production-dlrm.toml"
BUILD = HERE.parent / "build"
#: Frameworks that make installs there.
MADE = ("transformers", "ray", "orbax", "composer", "moto")

hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.load_profile("fixed")


def literature(name: str) -> dict[str, Any]:
    """Published numbers, each file with its source."""
    return tomllib.loads((HERE / "literature" / f"{name}.toml").read_text(encoding="utf-8"))


def pytest_configure() -> None:
    """What a shell starts in the background ignores SIGINT, by nohup SIGHUP, and so would all that tests start.

    A process of Ray's reads the secret of its cluster once.
    """
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those run whose needs are there (CI has all but a GPU); the others are deselected."""
    absent, ci = set(), bool(os.environ.get("CPRMODEL_CI"))
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
        if framework and not there(framework.args[0]) and not (ci and framework.args[0] in MADE):
            left_out.append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def there(framework: str) -> bool:
    """Whether a framework of training is installed, in its folder or beside the project."""
    return PathFinder.find_spec(framework, [*sys.path, str(folder_of(framework))]) is not None


def folder_of(framework: str) -> Path:
    """Where ``make build/frameworks/installed`` puts it; Composer brings what the others would trip over."""
    return BUILD / ("composer" if framework == "composer" else "frameworks")


@contextmanager
def alone_with_ray() -> Iterator[None]:
    """Clusters of Ray on one machine find each other (``auto``): tests that have one come one after the other."""
    if _ALONE:
        yield
        return
    with open(Path(tempfile.gettempdir()) / f"cprmodel-ray-{os.getuid()}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _ALONE.append(True)
        try:
            yield
        finally:
            _ALONE.clear()


_ALONE: list[bool] = []  # whether this process is the one


@pytest.fixture(autouse=True)
def frameworks(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that is marked ``framework`` finds it, and so does what it starts; no other test does.

    Ray keeps its files, and the address by which its processes find each other, in a folder of this test, asks
    for a secret of these tests, and calls nobody outside.
    """
    marked = request.node.get_closest_marker("framework")
    if marked is None:
        yield
        return
    place = str(folder_of(marked.args[0]))
    folders = [*filter(None, [os.environ.get("PYTHONPATH")]), place]
    with (
        alone_with_ray() if marked.args[0] == "ray" else nullcontext(),
        pytest.MonkeyPatch.context() as patched,
        tempfile.TemporaryDirectory(prefix="ray-") as folder,
    ):
        patched.setattr(sys, "path", [*sys.path, place])
        patched.setenv("PYTHONPATH", os.pathsep.join(folders))
        if marked.args[0] == "ray":
            patched.setenv("RAY_TMPDIR", folder)  # pytest's own are longer than a socket's name may be
            patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield


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
