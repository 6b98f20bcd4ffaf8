"""Start-up of the command against the libraries it stands on, as whole processes, in turn, in one run.

Held to: `cprmodel interval` within 2x of `python -c "import numpy, pydantic, typer, scipy.special"`, and
`cprmodel plan` under a second on the machine at hand (reported, not held: machines differ).

Run: python benchmarks/startup.py [RUNS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

LIMIT = 2.0
BIN = Path(sys.executable).parent
EXAMPLE = Path(__file__).parent.parent / "examples" / "production-dlrm.toml"
COMMANDS = {
    "baseline imports": [sys.executable, "-c", "import numpy, pydantic, typer, scipy.special"],
    "cprmodel interval": [str(BIN / "cprmodel"), "interval", "--save", "5 min", "--mtbf", "24 h"],
    "cprmodel plan": [str(BIN / "cprmodel"), "plan", str(EXAMPLE)],
}


def seconds(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for run in range(runs + 1):
        for name, command in COMMANDS.items():
            taken = seconds(command)
            if run:  # the first of each warms the file cache
                times[name].append(taken)
    base = times["baseline imports"]
    for name, taken in times.items():
        ratio = statistics.median(a / b for a, b in zip(taken, base, strict=True))
        print(f"{name:20} median {statistics.median(taken):.3f} s, ratio to the baseline {ratio:.2f}")
    ratio = statistics.median(a / b for a, b in zip(times["cprmodel interval"], base, strict=True))
    verdict = "within" if ratio <= LIMIT else "ABOVE"
    print(f"cprmodel interval is {verdict} its limit of {LIMIT:g}x (median of {runs} pairs)")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
