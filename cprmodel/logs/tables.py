"""From the text of a log to a table of cells: comma, tab, pipe or blank separated, in columns, JSON, JSON lines."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cprmodel.facts.units import count_of
from cprmodel.logs.alone import Frame, has_polars
from cprmodel.logs.objects import table_of_json
from cprmodel.logs.table import Table, wrong
from cprmodel.logs.workloads import table_of_workloads

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Table", "table_of"]

_SEPARATORS = {"\t": "tab-separated", "|": "pipe-separated", ";": "semicolon-separated", ",": "comma-separated"}
#: Lines from which the form of a file is told.
_SAMPLE = 400
_VALUE = re.compile(r"^[+-]?\.?\d|^(?:nan|[+-]?inf)$", re.I)
_DASHES = re.compile(r"^[\s|+]*+-{2,}+[\s|+-]*+$")


def table_of(text: str, source: str) -> Table:
    """The table in a text; JobError says what is wrong with it."""
    if text.lstrip()[:1] in ("[", "{"):
        return table_of_json(text, source)
    return _lines(text, source)


def _lines(text: str, source: str) -> Table:
    head = list(_head(text))
    comments = [(number, line) for number, line in head if line.lstrip().startswith("#")]
    body = [(number, line) for number, line in head if not line.lstrip().startswith("#")]
    if not body:
        raise wrong(source, "at least one row")
    dashes = next((at for at, (_, line) in enumerate(body[:4]) if _DASHES.match(line)), None)
    if dashes is not None and dashes > 0 and " " in body[dashes][1].strip():
        return _fixed(text, source, body[dashes - 1], body[dashes])
    sample = [line for _, line in body if not _DASHES.match(line)]
    if sample[0].lstrip().startswith(";"):
        return table_of_workloads(text, source)
    separator, quoted = _separator(sample)
    notes: list[str] = []
    if separator is None:
        if _width(sample, None) == 1 or (len(sample[0].split()) == 1 and not comments) or _is_date(sample[0]):
            return _separated(text, source, "\x1e", "one column", comments, body, notes, quoted=False)
        whole = re.sub(r"(\d{4}-\d{2}-\d{2}) (?=\d{1,2}:\d{2})", r"\1T", text)
        whole = re.sub(r"[ \t]+", "\t", re.sub(r"(?m)^[ \t]+|[ \t]+$", "", whole))
        sample = [re.sub(r"(\d{4}-\d{2}-\d{2}) (?=\d{1,2}:\d{2})", r"\1T", line) for line in sample]
        body0 = body
        body = [(number, "\t".join(line.split())) for (number, _), line in zip(body, sample, strict=False)]
        if _width(sample, None) == 1:
            return _separated(text, source, "\x1e", "one column", comments, body0, notes, quoted=False)
        comments = [(number, "#" + "\t".join(line.lstrip("# \t").split())) for number, line in comments]
        return _separated(whole, source, "\t", "separated by blanks", comments, body, notes, quoted=False)
    if separator == "," and "[" in text:
        text = re.sub(r"\[[0-9][0-9,\-]*\]", lambda found: found[0].replace(",", "\x1f"), text)
    return _separated(text, source, separator, _SEPARATORS[separator], comments, body, notes, quoted)


def _is_date(line: str) -> bool:
    """Whether a line with blanks in it is one date."""
    import numpy as np

    if not has_polars():
        return False
    import polars as pl

    from cprmodel.logs.clocks import moments_of

    return bool(np.isfinite(moments_of(pl.Series([line]), "", dates="day-first").seconds[0]))


def _head(text: str) -> Iterator[tuple[int, str]]:
    """The first lines with something in them, and their numbers."""
    found = 0
    for number, line in enumerate(io.StringIO(text), start=1):
        if line.strip():
            yield number, line.rstrip("\n")
            found += 1
        if found >= _SAMPLE:
            return


def _cells(line: str, separator: str | None, quoted: bool = True) -> list[str]:
    if separator is None:
        return line.split()
    if not quoted:
        return [cell.strip() for cell in line.split(separator)]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [""])]
    except csv.Error:
        return [cell.strip() for cell in line.split(separator)]


def _width(lines: list[str], separator: str | None, quoted: bool = True) -> int:
    counts = Counter(len(_cells(line, separator, quoted)) for line in lines)
    return counts.most_common(1)[0][0]


def _separator(lines: list[str]) -> tuple[str | None, bool]:
    """What separates the cells; None: blanks, or nothing. Whether quotes keep cells together."""
    for separator in _SEPARATORS:
        quoted = separator in ",;\t" and any('"' in line for line in lines)
        counts = [len(_cells(line, separator, quoted)) for line in lines]
        if min(counts[0], _width(lines, separator, quoted)) > 1:
            return separator, quoted
    return None, False


def _separated(
    text: str,
    source: str,
    separator: str,
    form: str,
    comments: list[tuple[int, str]],
    body: list[tuple[int, str]],
    notes: list[str],
    quoted: bool,
) -> Table:
    import numpy as np

    text_sample = [_cells(line.replace("\x1f", ","), separator, quoted) for _, line in body]
    first = text_sample[0]
    width = max(len(cells) for cells in text_sample)
    heading, skip = _heading(first, comments, separator, width)
    if not has_polars():
        return _plain(text, source, separator, form, heading, skip, quoted)
    import polars as pl

    options: dict[str, Any] = {
        "separator": separator,
        "quote_char": '"' if quoted else None,
        "has_header": False,
        "truncate_ragged_lines": True,
        "infer_schema": False,
    }
    ruler = separator * width + "\n"  # as many columns as the widest row has, and one that should stay empty
    try:
        frame = pl.read_csv(io.BytesIO((ruler + text).encode()), **options)[1:]
    except pl.exceptions.PolarsError:
        raise wrong(source, f"rows of cells, {form}: a quotation mark is not closed, perhaps") from None
    frame = frame.with_columns(pl.all().str.strip_chars().str.replace_all("\x1f", ","))
    first_cell = frame[:, 0].fill_null("")
    blank = frame.select(pl.all_horizontal(pl.all().is_null() | (pl.all() == ""))).to_series()
    drop = (
        blank
        | first_cell.str.starts_with("#")
        | (first_cell.str.contains(r"^-{3,}") & (pl.Series([len(first) > 0])))
    )
    lines = np.arange(1, frame.height + 1)
    keep = ~drop.to_numpy()
    frame, lines = frame.filter(pl.Series(keep)), lines[keep]
    if skip:
        frame, lines = frame[1:], lines[1:]
    return _named(source, form, frame, lines, heading, tuple(notes))


def _plain(
    text: str, source: str, separator: str, form: str, heading: list[str] | None, skip: bool, quoted: bool
) -> Table:
    """The same without polars, for columns of plain numbers."""
    import numpy as np

    rows: list[list[str]] = []
    lines: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        cells = _cells(line.replace("\x1f", ","), separator, quoted)
        if any(cells) and not cells[0].startswith(("#", "---")):
            rows.append(cells)
            lines.append(number)
    rows, lines = rows[skip:], lines[skip:]
    if not rows:
        raise wrong(source, "at least one row below the heading")
    width = max(max((at for at, cell in enumerate(cells, start=1) if cell), default=1) for cells in rows)
    names = [*(heading or [])]
    while names and not names[-1] and len(names) > width:
        names.pop()
    longer = [number for number, cells in zip(lines, rows, strict=True) if any(cells[len(names) :])]
    if heading is not None and longer:
        expected = (
            f"at most {count_of(len(names), 'cell')}, as the heading has; {count_of(len(longer), 'row')} with more"
        )
        raise wrong(source, expected, f"line {longer[0]}")
    width = max(width, len(names))
    columns = [[cells[at] if at < len(cells) else None for cells in rows] for at in range(width)]
    frame = Frame(dict(zip(_told_apart(names, width), columns, strict=True)))
    return Table(source, form, frame, np.array(lines), "line", heading is not None)


def _told_apart(names: list[str], width: int) -> list[str]:
    """A name for each column: that of the heading, or its number, told apart where two are alike."""
    final, seen = [], Counter[str]()
    for at in range(width):
        name = names[at] if at < len(names) and names[at] else f"column {at + 1}"
        seen[name] += 1
        final.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return final


def _heading(
    first: list[str], comments: list[tuple[int, str]], separator: str, width: int
) -> tuple[list[str] | None, bool]:
    """The names of the columns, None where there are none, and whether the first row holds them."""
    is_value = [bool(_VALUE.match(cell)) for cell in first]  # "1O" is a slip in a number, and no name
    if not any(is_value) and any(first):
        return first, True
    for _, line in reversed(comments):  # "# event_id component_id node_id"
        bare = line.lstrip("# \t")
        for cells in (_cells(bare, separator), bare.split()):
            if len(cells) == width and len(cells) > 1:
                return cells, False
    return None, False


def _named(
    source: str, form: str, frame: pl.DataFrame, lines: Any, heading: list[str] | None, notes: tuple[str, ...]
) -> Table:
    import polars as pl

    if frame.height == 0:
        raise wrong(source, "at least one row below the heading")
    filled = [name for name in frame.columns if frame[name].fill_null("").ne("").any()]
    width = frame.columns.index(filled[-1]) + 1 if filled else 1
    said = list(notes)
    names = [*(heading or [])]
    while names and not names[-1] and len(names) > width:
        names.pop()  # sacct --parsable ends each line with a separator
    if heading is not None and width > len(names):
        extra = frame[:, len(names) : width]
        longer = int(extra.select(pl.any_horizontal(pl.all().fill_null("") != "")).to_series().sum())
        where = int(lines[extra.select(pl.any_horizontal(pl.all().fill_null("") != "")).to_series().arg_max()])
        expected = (
            f"at most {count_of(len(names), 'cell')}, as the heading has; {count_of(longer, 'row')} with more"
        )
        raise wrong(source, expected, f"line {where}")
    width = max(width, len(names))
    frame = frame[:, :width] if width <= frame.width else frame
    final = _told_apart(names, frame.width)
    return Table(
        source,
        form,
        frame.rename(dict(zip(frame.columns, final, strict=True))),
        lines,
        "line",
        heading is not None,
        tuple(said),
    )


def _fixed(text: str, source: str, heading: tuple[int, str], rule: tuple[int, str]) -> Table:
    """Columns whose widths are those of the dashes under their names, as sacct prints them."""
    import numpy as np
    import polars as pl

    spans = [(found.start(), found.end()) for found in re.finditer(r"-+", rule[1])]
    bounds = [(low, spans[at + 1][0] if at + 1 < len(spans) else None) for at, (low, _) in enumerate(spans)]
    names = [heading[1][low:high].strip() for low, high in bounds]
    rows, lines = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if number > rule[0] and line.strip():
            rows.append([line[low:high].strip() for low, high in bounds])
            lines.append(number)
    if not rows:
        raise wrong(source, "at least one row below the heading")
    frame = pl.DataFrame(
        [pl.Series(f"column {at + 1}", cells, dtype=pl.String) for at, cells in enumerate(zip(*rows, strict=True))]
    )
    return _named(source, "columns of fixed width", frame, np.array(lines), names, ())
