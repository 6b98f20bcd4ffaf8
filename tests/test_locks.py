"""What make installs is what pyproject.toml asks for, and each archive of it is known by its hash."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import load_script

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(path: Path) -> dict[str, list[tuple[Requirement, int]]]:
    """Each package of a file by its name: what is pinned, and how many hashes it has."""
    found: dict[str, list[tuple[Requirement, int]]] = {}
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE)
    for block in text.replace("\\\n", " ").splitlines():
        one, *hashes = block.split(" --hash=sha256:")
        assert all(re.fullmatch(r"[0-9a-f]{64}\s*", value) for value in hashes), block
        pinned = Requirement(one)
        found.setdefault(pinned.name, []).append((pinned, len(hashes)))
    return found


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_package_is_pinned_and_has_a_hash(path: Path) -> None:
    assert locked(path)
    for many in locked(path).values():
        for pinned, hashes in many:
            assert [one.operator for one in pinned.specifier] == ["=="], pinned
            assert hashes, pinned


def test_constraints_hold_the_same_pins() -> None:
    pins = {
        (str(one.specifier), name) for name, many in locked(ROOT / "constraints.txt").items() for one, _ in many
    }
    installed = set()
    for path in LOCKS:
        # an environment of its own; a build of torch; what is installed without what it asks for, or in a folder
        if path.name not in ("tools.txt", "torch-cpu.txt", "torchrec.txt", "frameworks.txt", "composer.txt"):
            installed |= {(str(one.specifier), name) for name, many in locked(path).items() for one, _ in many}
    assert installed == pins


def test_what_the_project_asks_for_is_locked() -> None:
    build, test = ROOT / "requirements" / "build.txt", ROOT / "requirements" / "test.txt"
    torch = ROOT / "requirements" / "torch.txt"
    extras = PROJECT["project"]["optional-dependencies"]
    for where, asked in (
        ([build], PROJECT["build-system"]["requires"]),
        ([build, ROOT / "requirements" / "demo.txt"], PROJECT["project"]["dependencies"]),
        ([build, test, torch], PROJECT["project"]["dependencies"] + [x for many in extras.values() for x in many]),
    ):
        pins = {name: many for path in where for name, many in locked(path).items()}
        for text in asked:
            one = Requirement(text)
            assert all(one.specifier.contains(str(pin.specifier)[2:]) for pin, _ in pins[one.name]), text


def test_a_build_of_torch_without_cuda_is_of_the_same_version() -> None:
    (cpu,) = locked(ROOT / "requirements" / "torch-cpu.txt")["torch"]
    (public,) = locked(ROOT / "requirements" / "torch.txt")["torch"]
    assert str(cpu[0].specifier) == f"{public[0].specifier}+cpu"
    assert public[1] > 10  # of every system that it is built for


def test_a_demo_needs_no_more_than_the_tests() -> None:
    demo, build, test = (set(locked(ROOT / "requirements" / f"{name}.txt")) for name in ("demo", "build", "test"))
    assert demo < build | test
    assert "torch" not in test


def test_frameworks_come_beside_what_the_tests_have() -> None:
    """In a folder of their own, where nothing may hide what is tested elsewhere."""
    lock = load_script(ROOT / "requirements" / "lock.py")
    frameworks, composer, test, torch = (
        set(locked(ROOT / "requirements" / f"{name}.txt")) for name in ("frameworks", "composer", "test", "torch")
    )
    assert {Requirement(one).name for one in lock.FRAMEWORKS} <= frameworks
    assert {lock.COMPOSER, Requirement(lock.TORCHVISION).name} <= composer
    assert not (frameworks | composer) & (test | torch)


def test_what_is_carried_to_a_gpu_is_what_is_tested_here() -> None:
    """The same archives, and those that lock.py names."""
    lock = load_script(ROOT / "requirements" / "lock.py")
    files = {name: (ROOT / "requirements" / f"{name}.txt").read_text() for name in ("gpu", "test", "build")}
    blocks = {name: set(re.findall(r"^\w(?:.*\\\n)*.*", text, re.MULTILINE)) for name, text in files.items()}
    assert blocks["gpu"] <= blocks["test"] | blocks["build"]
    assert {re.split("==", one)[0] for one in blocks["gpu"]} == set(lock.GPU)


def test_too_much_or_nothing_to_carry_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carry = load_script(ROOT / "requirements" / "carry.py")
    assert carry.weigh(tmp_path) == f"{tmp_path}: expected wheels in it"
    assert "make gpu-wheels" in carry.install(tmp_path, tmp_path / "site")
    (tmp_path / "a-1.0-py3-none-any.whl").write_bytes(b"no archive")
    assert carry.weigh(tmp_path) is None
    said = carry.install(tmp_path, tmp_path / "site")
    assert said.startswith(
        f"{sys.executable}: expected Python 3.12 on x86-64 Linux, with pip, to install {tmp_path}"
    )
    assert len(said.splitlines()) == 1
    monkeypatch.setattr(carry, "LARGEST_BYTES", 1_000_000)
    assert carry.weigh(tmp_path).endswith("expected at most 0 MiB")
