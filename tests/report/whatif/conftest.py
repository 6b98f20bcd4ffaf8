"""Pages in real headless Chromium (Debian's), driven by Playwright, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cprmodel import Job
from cprmodel.loading import load_job
from cprmodel.report.whatif import orders, write_whatif
from tests.conftest import EXAMPLE

ORDERED = EXAMPLE.with_name("ordered-saves.toml")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whatif")


@pytest.fixture(scope="session")
def sharded_file(folder: Path) -> Path:
    path = folder / "sharded.html"
    write_whatif(Job.from_file(EXAMPLE), path)
    return path


@pytest.fixture(scope="session")
def ordered_file(folder: Path) -> Path:
    """A page with orders; fewer intervals than the command simulates, for speed."""
    path = folder / "ordered.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "INTERVALS", 20)
        write_whatif(load_job(ORDERED), path)
    return path


@pytest.fixture(scope="session")
def dense_file(folder: Path) -> Path:
    path = folder / "dense.html"
    write_whatif(load_job("preset:bloom-176b"), path)
    return path


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a file in a context of its own; at the end: nothing was fetched and the console is empty."""
    contexts, said, fetched = [], [], []

    def opened(path: Path, fragment: str = "", **options: Any) -> Any:
        context = chromium.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        context.set_offline(True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(path.as_uri() + fragment)
        return page

    yield opened
    for context in contexts:
        for page in context.pages:
            page.wait_for_function("charts.idle")
        context.close()
    assert not said
    assert {url.partition(":")[0] for url in fetched} <= {"file", "data"}
    assert len([url for url in fetched if url.startswith("file:")]) == len(contexts)
