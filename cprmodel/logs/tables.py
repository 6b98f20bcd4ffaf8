"""From the text of a log to a table of cells: comma, tab, pipe or blank separated, in columns, JSON, JSON lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cprmodel.facts.errors import JobError, Problem
from cprmodel.facts.units import count_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Table", "table_of"]

_SEPARATORS = {"\t": "tab-separated", "|": "pipe-separated", ";": "semicolon-separated", ",": "comma-separated"}
#: Lines from which the form of a file is told.
_SAMPLE = 400
#: Tables of runs or events within one JSON object: sacct's, Kubernetes', most APIs'.
_LISTS = ("items", "jobs", "events", "records", "data", "rows", "results", "attempts")
_VALUE = re.compile(r"^[+-]?\.?\d|^(?:nan|[+-]?inf)$", re.I)
_DASHES = re.compile(r"^[\s|+]*-{2,}[\s|+-]*$")


@dataclass(frozen=True)
class Table:
    """Cells as text, one column a name; null where a row has none."""

    source: str
    form: str  #: how the file was taken apart, in words
    frame: pl.DataFrame = field(repr=False)
    lines: Any = field(repr=False)  #: where each row stands: its line, or its number in a list
    place: str = "line"  #: what those numbers count
    has_heading: bool = True
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        return list(self.frame.columns)

    def __len__(self) -> int:
        return self.frame.height

    def column(self, name: str) -> pl.Series:
        """The cells of a column."""
        return self.frame[name]

    def kept(self, mask: Any) -> Table:
        """Some of the rows."""
        import polars as pl

        chosen = pl.Series(mask)
        lines = self.lines[mask]
        return Table(
            self.source, self.form, self.frame.filter(chosen), lines, self.place, self.has_heading, self.notes
        )


def table_of(text: str, source: str) -> Table:
    """The table in a text; JobError says what is wrong with it."""
    if text.lstrip()[:1] in ("[", "{"):
        return _json(text, source)
    return _lines(text, source)


def _wrong(source: str, expected: str, where: str = "", value: str = "") -> JobError:
    return JobError(source, [Problem(where, value, expected)])


# --- lines ---


def _lines(text: str, source: str) -> Table:
    head = list(_head(text))
    comments = [(number, line) for number, line in head if line.lstrip().startswith("#")]
    body = [(number, line) for number, line in head if not line.lstrip().startswith("#")]
    if not body:
        raise _wrong(source, "at least one row")
    dashes = next((at for at, (_, line) in enumerate(body[:4]) if _DASHES.match(line)), None)
    if dashes is not None and dashes > 0 and " " in body[dashes][1].strip():
        return _fixed(text, source, body[dashes - 1], body[dashes])
    sample = [line for _, line in body if not _DASHES.match(line)]
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
    import polars as pl

    text_sample = [_cells(line.replace("\x1f", ","), separator, quoted) for _, line in body]
    first = text_sample[0]
    width = max(len(cells) for cells in text_sample)
    heading, skip = _heading(first, comments, separator, width)
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
        raise _wrong(source, f"rows of cells, {form}: a quotation mark is not closed, perhaps") from None
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
        raise _wrong(source, "at least one row below the heading")
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
        raise _wrong(source, expected, f"line {where}")
    width = max(width, len(names))
    frame = frame[:, :width] if width <= frame.width else frame
    final, seen = [], Counter[str]()
    for at in range(frame.width):
        name = names[at] if at < len(names) and names[at] else f"column {at + 1}"
        seen[name] += 1
        final.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
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
        raise _wrong(source, "at least one row below the heading")
    frame = pl.DataFrame(
        [pl.Series(f"column {at + 1}", cells, dtype=pl.String) for at, cells in enumerate(zip(*rows, strict=True))]
    )
    return _named(source, "columns of fixed width", frame, np.array(lines), names, ())


# --- JSON ---


def _json(text: str, source: str) -> Table:
    form, place = "JSON", "entry"
    try:
        data = json.loads(text)
    except RecursionError:
        raise _wrong(source, "JSON without thousands of nested brackets") from None
    except ValueError as error:
        rows = _json_lines(text, source, error)
        return _of_objects(rows, source, "JSON lines", "line")
    found = _list_in(data)
    if found is None:
        raise _wrong(source, "a JSON list of objects, or an object with one (items, jobs, events)")
    rows = [(number, entry) for number, entry in enumerate(found, start=1)]
    return _of_objects(rows, source, form, place)


def _json_lines(text: str, source: str, error: ValueError) -> list[tuple[int, Any]]:
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    rows = []
    for at, (number, line) in enumerate(lines):
        try:
            rows.append((number, json.loads(line)))
        except (ValueError, RecursionError):
            if at == 0 or len(lines) == 1:
                raise _wrong(source, f"JSON ({str(error).lower()})") from None
            if at == len(lines) - 1:
                break  # cut short when its writer was killed
            raise _wrong(source, "a JSON object", f"line {number}") from None
    return rows


def _list_in(data: Any) -> list[Any] | None:
    """The list of objects that a JSON value is, or holds."""
    if isinstance(data, list):
        return data
    if not isinstance(data, Mapping):
        return None
    for name in _LISTS:
        inner = data.get(name)
        if isinstance(inner, list) and inner and isinstance(inner[0], Mapping):
            return inner
    lists = [
        value for value in data.values() if isinstance(value, list) and value and isinstance(value[0], Mapping)
    ]
    if len(lists) == 1:
        return list(lists[0])
    if data and all(isinstance(value, list) for value in data.values()):
        length = {len(value) for value in data.values()}
        if len(length) == 1:  # a table by its columns
            return [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]
    return [data] if any(not isinstance(value, (Mapping, list)) for value in data.values()) else None


def _of_objects(rows: list[tuple[int, Any]], source: str, form: str, place: str) -> Table:
    import numpy as np
    import polars as pl

    if not rows:
        raise _wrong(source, "at least one entry")
    if all(not isinstance(entry, (Mapping, list)) for _, entry in rows):
        cells = pl.Series("column 1", [_text(entry) for _, entry in rows], dtype=pl.String)
        return Table(
            source, f"a {form} list of values", pl.DataFrame([cells]), np.array([n for n, _ in rows]), place, False
        )
    flat: list[dict[str, str | None]] = []
    lines = []
    notes = []
    attempts = 0
    for number, entry in rows:
        if not isinstance(entry, Mapping):
            raise _wrong(source, "an object", f"{place} {number}", _text(entry) or "")
        inner = entry.get("attempts")
        if isinstance(inner, list) and inner and all(isinstance(one, Mapping) for one in inner):
            outer = {key: value for key, value in entry.items() if key != "attempts"}
            for at, one in enumerate(inner):
                # all but the last attempt were tried again: they failed
                made = {**_flat(outer), **_flat(one)}
                if at < len(inner) - 1 and not any(key in one for key in ("state", "status")):
                    made.update({key: "FAILED" for key in ("status", "state") if key in made})
                flat.append(made)
                lines.append(number)
            attempts += len(inner)
            continue
        flat.append(_flat(entry))
        lines.append(number)
    if attempts:
        notes.append(
            f"{attempts:,} attempts, one row each; an attempt that another followed is taken to have failed"
        )
    names = list(dict.fromkeys(key for one in flat for key in one))
    if not names:
        raise _wrong(source, "objects with values")
    frame = pl.DataFrame([pl.Series(name, [one.get(name) for one in flat], dtype=pl.String) for name in names])
    return Table(source, form, frame, np.array(lines), place, True, tuple(notes))


def _flat(entry: Mapping[str, Any], before: str = "") -> dict[str, str | None]:
    out: dict[str, str | None] = {}
    for key, value in entry.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            if set(value) >= {"set", "number"}:  # Slurm's numbers: {"set": true, "infinite": false, "number": 4}
                out[name] = _text(value["number"]) if value["set"] else None
            elif len(out) < 2000:
                out.update(_flat(value, f"{name}."))
        elif isinstance(value, list):
            if len(value) == 1 and not isinstance(value[0], (Mapping, list)):
                out[name] = _text(value[0])
            elif all(isinstance(one, str) for one in value):
                out[name] = ",".join(value)
        else:
            out[name] = _text(value)
    return out


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
