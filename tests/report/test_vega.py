"""The JavaScript of a page is kept between runs, and is what vl-convert puts together."""

from __future__ import annotations

from pathlib import Path

import pytest
import vl_convert

from cprmodel.report.vega import vega_bundle


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cprmodel"


def test_it_is_kept_and_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = vega_bundle()
    assert made == vl_convert.javascript_bundle()
    assert [one.name for one in folder.iterdir()] == [f"vega-{vl_convert.__version__}.js"]
    monkeypatch.delattr(vl_convert, "javascript_bundle")  # from here on it can only be read
    assert vega_bundle() == made


def test_where_nothing_can_be_kept_it_is_made_each_time(folder: Path) -> None:
    folder.parent.write_text("a file stands where the folder would be")
    assert vega_bundle() == vega_bundle() == vl_convert.javascript_bundle()


def test_a_version_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(parents=True)
    (folder / "vega-0.0.0.js").write_text("of another version")
    assert vega_bundle() == vl_convert.javascript_bundle()
