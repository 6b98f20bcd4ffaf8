"""A minute of spoiled inputs, the same ones each time; all that once broke; files that never end."""

from __future__ import annotations

import io
import json
import lzma
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz import oracle
from tests.fuzz.inputs import INPUTS
from tests.fuzz.mutations import mutated
from tests.fuzz.oracle import Fault
from tests.fuzz.running import kept, read, spoiled
from tests.fuzz.targets import TARGETS

#: Spoiled inputs for a target that is not slow.
EACH = 25


@pytest.mark.parametrize("target", TARGETS)
def test_spoiled_inputs_are_one_line(target: str) -> None:
    for seed in range(max(1, round(EACH * TARGETS[target].share))):
        read(target, spoiled(target, seed))


@pytest.mark.parametrize("target", TARGETS)
def test_real_inputs_are_read(target: str) -> None:
    """Nothing right gets lost: what was not spoiled breaks nothing either."""
    inputs = list(INPUTS[TARGETS[target].kind])
    for content in inputs if TARGETS[target].share == 1 else inputs[:2]:
        read(target, content)


@pytest.mark.parametrize(("target", "path"), [pytest.param(*one, id=f"{one[0]} {one[1].name}") for one in kept()])
def test_what_once_broke(target: str, path: Path) -> None:
    read(target, path.read_bytes())


def test_spoiling_spoils() -> None:
    """In many ways, and the same way each time."""
    made = {spoiled("plan", seed) for seed in range(200)}
    assert len(made) > 190
    assert spoiled("plan", 7) == spoiled("plan", 7)
    from random import Random

    assert mutated(Random(1), [b""]) is not None


# -- the oracle ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "status", "fault"),
    [
        ("overhead 1.5%", "", 0, None),
        ("", "cprmodel: a.toml: expected this", 2, None),
        ("", "cprmodel: one\nand another", 2, "not one line"),
        ("", "Traceback (most recent call last):\n  x", 1, "it says"),
        ("overhead nan%", "", 0, "nan in what is printed"),
        ("from -inf to 5", "", 0, "-inf in what is printed"),
        ("\x1b[31mred", "", 0, "a control character"),
        ("", "cprmodel: \x1b[31mred", 2, "control characters"),
        ("", "", 3, "status 3"),
        ("nanosecond information", "", 0, None),
    ],
)
def test_the_oracle_sees(text: str, error: str, status: int, fault: str | None) -> None:
    def main() -> None:
        print(text)
        print(error, file=sys.stderr)
        sys.exit(status)

    if fault is None:
        oracle.command(["cprmodel"], b"", main)
        return
    with pytest.raises(Fault, match=fault):
        oracle.command(["cprmodel"], b"", main)


def test_the_oracle_sees_what_ends_late_or_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "LONGEST_S", 0.2)

    def spin() -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            pass

    with pytest.raises(Fault, match="it takes over"):
        oracle.reader(spin, ())
    with pytest.raises(Fault, match="ZeroDivisionError"):
        oracle.reader(lambda: 1 / 0, (ValueError,))
    oracle.reader(lambda: int("x"), (ValueError,))


# -- files that never end, or claim too much -----------------------------------------------------------------------


#: Read in a run's folder alone, from files that the run wrote.
OURS = ("lab's case", "manifest", "partial manifest", "resume", "journal", "replica", "tensors")


@pytest.fixture
def in_time() -> Iterator[None]:
    """Who waits for a pipe uses no processor time."""

    def late(number: int, frame: object) -> None:
        raise TimeoutError

    old = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("target", [name for name in TARGETS if name not in OURS])
def test_devices_and_pipes(target: str, tmp_path: Path) -> None:
    pipe = tmp_path / f"pipe{TARGETS[target].ending}"
    os.mkfifo(pipe)
    zero = tmp_path / f"zero{TARGETS[target].ending}"
    zero.symlink_to("/dev/zero")
    for path in (pipe, zero, tmp_path):
        TARGETS[target].run(path, b"")


@pytest.mark.parametrize(
    "shape", ["(1000000000000000000,)", "(9" + "9" * 30 + ",)", "(-1,)", "(True,)", "(10,", "()"]
)
def test_an_array_that_claims_more_than_there_is(shape: str, tmp_path: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.arange(10.0))
    whole = file.getvalue()
    heading = whole[10:128].decode().replace("(10,)", shape).rstrip()
    read("order --counts", whole[:10] + heading.ljust(117)[:117].encode() + b"\n" + whole[128:])


def test_a_small_file_that_unpacks_to_much(tmp_path: Path) -> None:
    """Some kilobytes of .xz that are over a gigabyte: refused, and never held."""
    piece = lzma.compress(b"0" * (1 << 26))
    path = tmp_path / "log.csv"
    path.write_bytes(piece * 17)
    assert path.stat().st_size < 1_000_000
    before = oracle._memory()
    TARGETS["fit"].run(path, b"")
    assert oracle._memory() - before < 300_000_000


def test_unpacking_that_would_take_much_memory_is_refused(tmp_path: Path) -> None:
    """A dictionary of 1 GB, by its heading."""
    filters = [
        {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3, "nice_len": 4}
    ]
    path = tmp_path / "log.csv"
    try:
        path.write_bytes(lzma.compress(b"time\n1\n2\n", filters=filters))
    except MemoryError:
        pytest.skip("too little memory to make such a file")
    TARGETS["fit"].run(path, b"")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("fit LANL", "System,nodenum,Prob Started,Prob Fixed\n18,7\n18\n,,,\n18,7,01/05/2003 10:00\n"),
        ("fit", json.dumps([{"time": 10**400}, {"time": 2}])),
        ("fit", "time\n" + "9" * 100_000 + "\n1\n"),
        ("fit", "time\n1\n2 " + "a" * 100_000 + "\n"),
        ("fit", "-" * 100_000 + "x\n1\n"),
        ("fit", "[" * 100_000),
        ("fit", '{"a":' * 100_000),
        ("accuracy JSON", '{"runs":' + "[" * 100_000),
        ("advisor's state", "[" * 50_000),
        ("manifest", "[" * 200_000),
        ("manifest", '{"body": ' + "9" * 5000 + "}"),
        ("plan", "a = " + "[" * 100_000),
        ("plan", "a = " + "9" * 5000),
        ("plan", "a" + ".a" * 50_000 + " = 1"),
        ("plan", "a" + ' . "b"' * 50_000 + " = 1"),
        ("plan", "[a" + ".'a'" * 50_000 + "]"),
        ("plan", "a" * 3_000_000),
        ("plan", '"' * 3_000_000),
        ("fit", "time\ninf\n-inf\nnan\n1e308\n1e308\n"),
        ("fit --json", "time\n1e300\n1e300\n2\n"),
        ("goodput", '{"event": "step", "at": 1e308, "seconds": 1e308}\n{"event": "save", "at": -1e308}\n'),
    ],
)
def test_deep_huge_and_short(target: str, text: str) -> None:
    read(target, text.encode())
