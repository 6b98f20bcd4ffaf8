"""Every link within the built pages leads somewhere: files, and places in them. Others are only listed.

python docs/check_links.py docs/_build/html [--external]
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["broken_links"]


class _Page(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.links += [value for name in ("href", "src") if (value := named.get(name))]
        self.anchors |= {value for name in ("id", "name") if (value := named.get(name))}


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def broken_links(folder: Path) -> tuple[list[str], set[str], int]:
    """Lines that name what is broken, the links that leave the pages, and how many were checked."""
    pages = {path.resolve(): _read(path) for path in sorted(folder.rglob("*.html"))}
    broken, elsewhere, checked = [], set(), 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                elsewhere.add(link)
                continue
            if parts.scheme:  # data:, mailto:
                continue
            checked += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            where = f"{path.relative_to(folder.resolve())}: {link}"
            if not target.is_file():
                broken.append(f"{where}: no such file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                broken.append(f"{where}: no such place in it")
    return broken, elsewhere, checked


def main(arguments: list[str]) -> int:
    """Print what is broken; 1 where something is."""
    folder = Path(arguments[0])
    broken, elsewhere, checked = broken_links(folder)
    if not checked:
        print(f"{folder}: expected built pages")
        return 1
    for line in broken:
        print(line)
    if "--external" in arguments:
        print("\n".join(sorted(elsewhere)))
    print(f"{checked:,} links within the pages, {len(broken)} broken; {len(elsewhere)} lead elsewhere")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
