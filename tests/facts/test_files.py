"""Every output is whole or not there."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cprmodel.facts.errors import JobError
from cprmodel.facts.files import read_bytes, read_text, whole_file, write_whole


def test_nothing_is_there_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with whole_file(path) as file:
        file.write(b"new, but not all")
        assert path.read_text() == "old"
    assert path.read_text() == "new, but not all"
    with pytest.raises(KeyboardInterrupt):
        _interrupted(path)
    assert path.read_text() == "new, but not all"
    assert os.listdir(tmp_path) == ["a.txt"]


def _interrupted(path: Path) -> None:
    with whole_file(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt


def test_mode_and_links_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real.name)
    write_whole(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    dangling = tmp_path / "dangling.txt"
    dangling.symlink_to("to-be.txt")
    write_whole(dangling, "new")
    assert (tmp_path / "to-be.txt").read_text() == "new"
    old = os.umask(0o027)
    try:
        write_whole(tmp_path / "fresh.txt", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "fresh.txt").stat().st_mode) == 0o640


def test_what_fails_has_the_name_that_was_given(tmp_path: Path) -> None:
    for path in (tmp_path / "none" / "a.txt", tmp_path):
        with pytest.raises(OSError, match=r"\[Errno") as caught:
            write_whole(path, "x")
        assert caught.value.filename == str(path)
    with pytest.raises(FileNotFoundError) as missing, whole_file(tmp_path / "a.txt"):
        (tmp_path / "another.txt").read_text()
    assert missing.value.filename == str(tmp_path / "another.txt")
    assert os.listdir(tmp_path) == []


def test_a_device_is_written_into() -> None:
    write_whole("/dev/null", "gone")
    with pytest.raises(OSError, match="No space left") as full:
        write_whole("/dev/full", "x")
    assert full.value.filename == "/dev/full"
    read, write = os.pipe()
    write_whole(f"/dev/fd/{write}", "through")
    assert os.read(read, 100) == b"through"
    os.close(read)
    os.close(write)


def test_names_do_not_collide(tmp_path: Path) -> None:
    """Not between processes of one number on two hosts either: the name beside is drawn."""
    with whole_file(tmp_path / "a.txt") as one, whole_file(tmp_path / "a.txt") as other:
        one.write(b"one")
        other.write(b"other")
        assert len(os.listdir(tmp_path)) == 2
        assert all(str(os.getpid()) not in name or len(name) > 20 for name in os.listdir(tmp_path))
    assert (tmp_path / "a.txt").read_text() == "one"  # the last to end
    write_whole(tmp_path / ("é" * 120), "a name as long as may be")


WRITER = """
import sys
from cprmodel.facts.files import write_whole
for n in range(60):
    write_whole(sys.argv[1], sys.argv[2] * 300_000)
"""


def test_two_processes_write_the_same_file(tmp_path: Path) -> None:
    """What is there at any moment is what one of them wrote."""
    path = tmp_path / "a.txt"
    write_whole(path, "a" * 300_000)
    many = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), letter]) for letter in "abc"]
    while any(one.poll() is None for one in many):
        found = path.read_text()
        assert len(found) == 300_000
        assert len(set(found)) == 1
    assert [one.returncode for one in many] == [0, 0, 0]
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    code = "import sys; from cprmodel.facts.files import write_whole; write_whole(sys.argv[1], 'x' * 100_000)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    assert "File too large" in done.stderr
    assert repr(str(path)) in done.stderr
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


# -- reading -------------------------------------------------------------------------------------------------------


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", "/dev/stdin" if sys.stdin.isatty() else "/dev/null", tmp_path / "pipe"):
        with pytest.raises(JobError, match="expected a trace in a plain file, not a device or a named pipe"):
            read_text(path, "a trace", "text")
    (tmp_path / "large").write_bytes(b"x" * 1001)
    assert len(read_bytes(tmp_path / "large", "a trace", 1001)) == 1001
    with pytest.raises(JobError, match="large: expected a trace of at most 1,000 bytes"):
        read_text(tmp_path / "large", "a trace", "text", 1000)
    with pytest.raises(JobError, match="Is a directory"):
        read_text(tmp_path, "a trace", "text")


def test_a_pipe_from_a_command_is_read() -> None:
    """As ``<(command)`` is, and standard input."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        for _ in range(3):
            os.write(write, b"x" * 70_000)
        os._exit(0)
    os.close(write)
    assert len(read_text(f"/dev/fd/{read}", "a trace", "text")) == 210_000
    os.waitpid(pid, 0)
    os.close(read)
