"""Lock what ``make`` installs: ``make constraints``. Keeps what is pinned; ``--upgrade`` takes the newest of all.

Every file names each package with the hashes of all its archives on the public index, and so pip takes these bytes
or none. ``constraints.txt`` holds the same pins without hashes, for those who install a part by hand.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
EXTRAS = ("test", "docs", "validation", "partial", "all")
#: Those of a demo.
DEMO = ("simulate", "logs", "report")
#: What builds the project, its editable install, and packages that come as sources alone.
BUILD = ("hatchling", "editables", "setuptools")
#: What ``make`` uses beside the project, in an environment of its own.
TOOLS = ("uv", "pip-audit", "cyclonedx-bom")
TORCH = "torch==2.13.0"
#: Builds of it for machines without a GPU, which are not on the public index.
TORCH_CPU = {
    "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl": (
        "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"
    ),
}
#: torchrec and what it imports, without what it asks for: a build for CUDA, and an old torchmetrics.
TORCHREC = (
    "torchrec==1.8.0",
    "fbgemm-gpu-cpu==1.8.0",
    "tensordict",
    "pyvers<0.3",
    "pyre-extensions",
    "typing-inspect",
)
#: A store that speaks S3, and its server.
S3 = ("s3fs", "moto[s3]", "flask", "flask-cors")
#: Those of training that adaptors and an engine are for, beside what is there already.
FRAMEWORKS = ("transformers", "accelerate", "ray[train]", "orbax-checkpoint", "jax", *S3)
#: botocore asks for an older one than the others' python-dateutil, and works with theirs.
BOTOCORE_GETS_OURS = ("python-dateutil",)
#: Composer asks for an older torch, and older ones of what comes with it: it gets ours, and ours' torchvision.
COMPOSER, TORCHVISION = "mosaicml", "torchvision==0.28.0"
COMPOSER_GETS_OURS = ("importlib-metadata", "numpy", "packaging", "pillow", "torch", "torchmetrics")
#: What the validation on a GPU needs beside CUDA torch, NumPy, SciPy, SymPy and Numba and what these need: what the
#: harness imports on its way from a case to a report, and what its tests import.
GPU = (
    *(
        "annotated-doc",
        "annotated-types",
        "click",
        "cloudpickle",
        "flexcache",
        "flexparser",
        "hypothesis",
        "iniconfig",
        "joblib",
    ),
    *("markdown-it-py", "mdurl", "narwhals", "packaging", "pint", "platformdirs", "pluggy", "pydantic"),
    *("pydantic-core", "pygments", "pytest", "rich", "safetensors", "scikit-learn", "shellingham"),
    *("sortedcontainers", "threadpoolctl", "typer", "typing-extensions", "typing-inspection"),
)
#: What torch's public build for Linux asks for and no other package does.
CUDA = re.compile(r"(triton|nvidia-[\w-]+|cuda-[\w-]+)==")


def main() -> None:
    """Write constraints.txt and the files beside this one."""
    upgrade = sys.argv[1:] == ["--upgrade"]
    constraints = ROOT / "constraints.txt"
    project = [str(ROOT / "pyproject.toml")]
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    everything = locked([*project, *extras], [*BUILD, TORCH], "" if upgrade else constraints.read_text())
    write(constraints, (pin(block) for block in everything), "The pins of requirements/, without hashes")
    pins = constraints.read_text()
    build = locked([], BUILD, pins)
    demo = locked([*project, *(word for extra in DEMO for word in ("--extra", extra))], (), pins)
    write(HERE / "build.txt", build, "What builds the project, and packages that come as sources alone")
    write(HERE / "demo.txt", demo, "What make demo installs: cprmodel's own requirements")
    cuda = [block for block in everything if CUDA.match(block)]
    torch = [block for block in everything if block.startswith(TORCH)]
    test = [block for block in everything if block not in (*cuda, *torch, *build)]
    write(HERE / "test.txt", test, "What make test installs, without torch")
    gpu = [block for block in everything if name_of(block) in GPU]
    write(HERE / "gpu.txt", gpu, "What make gpu-wheels fetches for a machine that has CUDA torch and no network")
    version = next(iter(TORCH_CPU)).split("-")[1]
    cpu = "".join([f"torch=={version}", *(f" \\\n    --hash=sha256:{one}" for one in TORCH_CPU.values())])
    write(HERE / "torch-cpu.txt", [cpu], "torch without CUDA, where pip finds such a build")
    write(HERE / "torch.txt", torch + cuda, "torch of the public index, and what it asks for on Linux")
    torchrec = HERE / "torchrec.txt"
    old = torchrec.read_text() if torchrec.exists() and not upgrade else ""
    write(torchrec, locked([], TORCHREC, old, "--no-deps"), "torchrec and what it imports, installed as it is")
    frameworks, composer = HERE / "frameworks.txt", HERE / "composer.txt"
    forced = [one for one in everything if name_of(one) in BOTOCORE_GETS_OURS]
    added = beside(FRAMEWORKS, frameworks, upgrade, everything, forced)
    write(frameworks, added, "Frameworks of training, beside what is in test.txt and torch.txt")
    forced = [*(one for one in everything if name_of(one) in COMPOSER_GETS_OURS), TORCHVISION]
    added = beside([COMPOSER], composer, upgrade, everything, forced)
    write(composer, added, "Composer, beside the same; it asks for older ones of them")
    tools = HERE / "tools.txt"
    old = tools.read_text() if tools.exists() and not upgrade else ""
    write(tools, locked([], TOOLS, old), "What make uses beside the project, in .venv-tools")


def locked(sources: list[str], names: Iterable[str], before: str, *options: str) -> list[str]:
    """The packages that these need on any system, each as lines with its hashes; pins from before are kept."""
    with tempfile.TemporaryDirectory() as folder:
        out, asked = Path(folder, "out.txt"), Path(folder, "asked.in")
        out.write_text(before)
        asked.write_text("".join(f"{name}\n" for name in names))
        words = ["--universal", "--python-version", "3.11", "--fork-strategy", "fewest", "--generate-hashes"]
        words += ["--no-header", "--no-annotate", "--quiet", "-o", str(out), *options]
        subprocess.run([sys.executable, "-m", "uv", "pip", "compile", *words, *sources, str(asked)], check=True)
        return re.findall(r"^\w(?:.*\\\n)*.*", out.read_text(), re.MULTILINE)


def beside(
    names: Iterable[str], path: Path, upgrade: bool, there: list[str], forced: Iterable[str] = ()
) -> list[str]:
    """What these need besides what is there; of those forced they get the ones named, whatever they ask for."""
    with tempfile.TemporaryDirectory() as folder:
        ours, given = Path(folder, "ours.txt"), Path(folder, "given.txt")
        ours.write_text("".join(f"{pin(block)}\n" for block in there))
        given.write_text("".join(f"{pin(block)}\n" for block in forced))
        old = path.read_text() if path.exists() and not upgrade else ""
        found = locked([], names, old, "--constraint", str(ours), "--override", str(given))
    known = {name_of(block) for block in there}
    return [block for block in found if name_of(block) not in known]


def pin(block: str) -> str:
    """Name, version and marker of a package."""
    return block.split(" \\", 1)[0]


def name_of(block: str) -> str:
    """Its name alone."""
    return block.split("==", 1)[0]


def write(path: Path, blocks: Iterable[str], what: str) -> None:
    """A file of pip's."""
    path.write_text(f"# {what}. Made by make constraints.\n" + "".join(f"{block}\n" for block in blocks))


if __name__ == "__main__":
    main()
