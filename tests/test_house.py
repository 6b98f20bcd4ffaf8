"""The house: imports go one way. Those inside functions count, those of types alone do not."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: Rooms that import others by a name in a string, which the graph cannot see, and why they may.
BY_NAME = {
    "cprmodel.facts.drawing": "an answer finds who draws it (cprmodel.report registers) without knowing the room",
    "cprmodel.facts.lazy": "public names of packages are loaded when they are first used",
    "validation.processes.nursery": "what its forks are to be is told on its command line; it knows none of them",
    "cprmodel.simulation": "public names are loaded when they are first used, and Numba with them",
}


def modules(*packages: str) -> dict[str, Path]:
    """Every module of the packages, by its name."""
    found = {}
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What is imported when the code runs, as (module, name in it or "")."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in node.orelse:
                yield from imported(other)
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            yield from ((node.module or "", alias.name) for alias in node.names)
        yield from imported(node)


def graph(sources: dict[str, str]) -> dict[str, set[str]]:
    """Who imports whom; a name imported from a package is the module of that name, where there is one."""
    edges: dict[str, set[str]] = {}
    for module, text in sources.items():
        named = {
            next((one for one in (f"{origin}.{name}", origin) if one in sources), "")
            for origin, name in imported(ast.parse(text))
        }
        edges[module] = named - {"", module}
    return edges


def circles(edges: dict[str, set[str]]) -> set[frozenset[str]]:
    """Modules that reach one another: the strongly connected parts of more than one."""

    def reach(start: str, along: dict[str, set[str]]) -> set[str]:
        seen, left = {start}, [start]
        while left:
            new = along.get(left.pop(), set()) - seen
            seen |= new
            left += new
        return seen

    back: dict[str, set[str]] = {}
    for module, targets in edges.items():
        for target in targets:
            back.setdefault(target, set()).add(module)
    parts = {frozenset(reach(module, edges) & reach(module, back)) for module in edges}
    return {part for part in parts if len(part) > 1}


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    return {name: path.read_text() for name, path in modules("cprmodel", "validation").items()}


def test_imports_make_no_circle(sources: dict[str, str]) -> None:
    """Not in one room, and not in the whole house: there is no exception."""
    assert [sorted(circle) for circle in circles(graph(sources))] == []


def test_imports_by_name_are_known(sources: dict[str, str]) -> None:
    assert {name for name, text in sources.items() if "import_module(" in text} == BY_NAME.keys()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            {"p": "", "p.a": "from p.b import x", "p.b": "def f():\n    from p.a import y"},
            {frozenset({"p.a", "p.b"})},
        ),
        ({"p": "", "p.a": "from p import b", "p.b": "if True:\n    import p.a"}, {frozenset({"p.a", "p.b"})}),
        ({"p": "from p.a import x", "p.a": "from p import x"}, {frozenset({"p", "p.a"})}),
        ({"p": "", "p.a": "if TYPE_CHECKING:\n    from p.b import x", "p.b": "import p.a"}, set()),
        ({"p": "from p.a import x", "p.a": "import os", "p.b": "from p import x"}, set()),
        (
            {"a": "import b", "b": "import c", "c": "import a", "d": "import a\nimport e", "e": "import d"},
            {frozenset("abc"), frozenset("de")},
        ),
    ],
)
def test_circles_are_found(code: dict[str, str], expected: set[frozenset[str]]) -> None:
    assert circles(graph(code)) == expected


def test_a_plan_draws_itself_after_importing_the_library_alone(tmp_path: Path) -> None:
    """In a process of its own, where nothing has imported the room that draws."""
    page = tmp_path / "report.html"
    code = f"""
import sys
import cprmodel
plan = cprmodel.plan(cprmodel.load_preset("cpr-dlrm"))
assert not any(name.startswith("cprmodel.report") for name in sys.modules)
assert type(plan.chart()).__module__.startswith("altair")
plan.save_report({str(page)!r})
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert "<html" in page.read_text()


def test_nobody_draws_what_is_not_registered() -> None:
    from cprmodel.facts.drawing import drawer_of

    with pytest.raises(KeyError, match="recipe"):
        drawer_of("recipe")


#: Who may ask what kind of saving policy or recovery it has before it: the rooms that own the kind.
OWNERS = {
    "PrioritySave": ("cprmodel.ordering",),
    "StoredPrioritySave": ("cprmodel.ordering",),
    "RotatingLevelSave": (
        "cprmodel.costing.rotating",
        "cprmodel.costing.rotating_levels",
        "cprmodel.costing.rotating_levels_search",
        "cprmodel.simulation.rotating_levels",
    ),
    "RotatingSave": (
        "cprmodel.costing.rotating",
        "cprmodel.costing.rotating_search",
        "cprmodel.simulation.rotating",
    ),
    "StoredSave": (
        "cprmodel.facts.rotation",
        "cprmodel.costing.saving",
        "cprmodel.costing.steady",
        "cprmodel.simulation.storage",
    ),
}


def kinds_asked(tree: ast.AST) -> Iterator[str]:
    """The kinds of saving policies and recoveries that a module's code asks for by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            kinds = [one for one in ast.walk(node.args[1]) if isinstance(one, (ast.Name, ast.Attribute))]
            names = (ast.unparse(one).rpartition(".")[2] for one in kinds)
            yield from (name for name in names if name.endswith(("Save", "Recovery")))


def test_kinds_are_asked_for_by_their_rooms_alone(sources: dict[str, str]) -> None:
    """Others ask a strategy by a property, a registration, or what a recovery answers."""
    strangers = [
        (name, kind)
        for name, text in sources.items()
        if name.startswith("cprmodel.")
        for kind in kinds_asked(ast.parse(text))
        if not any(name == owner or name.startswith(f"{owner}.") for owner in OWNERS.get(kind, ()))
    ]
    assert strangers == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("isinstance(saving, PrioritySave)", ["PrioritySave"]),
        ("isinstance(x.recovery, (strategies.FullRecovery, PartialRecovery))", ["PartialRecovery", "FullRecovery"]),
        ("isinstance(saving, int)", []),
        ("match(saving, StoredSave)", []),
    ],
)
def test_asking_for_a_kind_is_found(code: str, found: list[str]) -> None:
    assert sorted(kinds_asked(ast.parse(code))) == sorted(found)


#: Who may write a file otherwise than through ``facts.files``, and why.
WRITERS = {
    "cprmodel.facts.files": "it is the writer",
    "cprmodel.advising.state": "puts a damaged file aside",
    "cprmodel.adaptors.lightning_io": "a checkpoint is written by Lightning, beside, and may be a folder",
    "cprmodel.checkpoints.writing": "torch writes into memory",
    "cprmodel.logs.training": "a log is appended to",
    "validation.events": "a log is appended to",
    "validation.experiment.runner": "a log is appended to",
    "validation.processes.launcher": "what a process says is appended to its log",
    "validation.experiment.parts": "runs are moved from their parts into the whole",
    "validation.engines.guest": "what a process says is appended to its log",
    "validation.checkpoint.dcp": "a checkpoint is a folder that torch writes, beside",
    "validation.sabotage": "damages files on purpose",
}


def writes(tree: ast.AST) -> Iterator[str]:
    """What in a module's code writes, or moves, a file by its name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        name = called.rpartition(".")[2]
        if (
            (
                name == "open"
                and any(
                    isinstance(arg, ast.Constant) and set(str(arg.value)) & set("wax+") and len(str(arg.value)) <= 3
                    for arg in node.args
                )
            )
            or name in ("write_text", "write_bytes", "to_csv", "to_parquet", "savetxt", "savez")
            or called
            in (
                "np.save",
                "numpy.save",
                "torch.save",
                "os.replace",
                "os.rename",
                "shutil.move",
                "shutil.copy",
            )
        ):
            yield called


def test_files_are_written_by_one_writer(sources: dict[str, str]) -> None:
    """Whole or not there: in place, or by a rename of one's own, only where it says why."""
    assert {name for name, text in sources.items() if any(writes(ast.parse(text)))} == WRITERS.keys()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("Path(x).write_text('a')", True),
        ("open(path, 'w')", True),
        ("path.open('wb')", True),
        ("open(path, 'a', encoding='utf-8')", True),
        ("open(path)", False),
        ("open(path, 'rb')", False),
        ("text.replace('w', 'x')", False),
        ("np.save(file, x)", True),
        ("write_whole(path, 'w')", False),
    ],
)
def test_writing_is_found(code: str, found: bool) -> None:
    assert any(writes(ast.parse(code))) == found


def test_torch_loads_numbers_alone_or_says_otherwise() -> None:
    """A pickle runs what is in it: whether a load may do that is spelled out."""
    paths = [
        path for room in ("cprmodel", "validation", "examples", "tests") for path in (ROOT / room).rglob("*.py")
    ]
    calls = [
        (path, node)
        for path in paths
        if "torch.load(" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    assert calls
    for path, node in calls:
        assert any(one.arg == "weights_only" for one in node.keywords), f"{path}: torch.load"
