"""The JavaScript that draws the charts of a page, kept between runs: putting it together takes long."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from cprmodel.facts.extras import for_extra
from cprmodel.facts.files import write_whole

__all__ = ["vega_bundle"]


def vega_bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed in one piece, from the user's cache where they are.

    They are put together once for each version of vl-convert, and kept in ``$XDG_CACHE_HOME/cprmodel`` or
    ``~/.cache/cprmodel``, which appears whole or not at all; where nothing can be kept, each time.
    """
    with for_extra("a page with charts"):
        import vl_convert

    kept = _folder() / f"vega-{vl_convert.__version__}.js"  # type: ignore[attr-defined]  # its stub lacks it
    with suppress(OSError, UnicodeDecodeError):
        return kept.read_text(encoding="utf-8")
    made: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub wants a snippet
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, made)
    return made


def _folder() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "cprmodel"
