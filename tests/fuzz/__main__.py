"""``make fuzz``: an hour of spoiled inputs (``python -m tests.fuzz --minutes 60 --seed 1``).

What breaks something is written to ``tests/fuzz/found/TARGET/``, and so is read by every later test run.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import traceback
from random import Random

from tests.fuzz.running import FOUND, Found, read, spoiled
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Spoil and read until the time is over; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--target", choices=TARGETS, default=None)
    options = parser.parse_args()
    rng = Random(options.seed)
    names = [options.target] if options.target else list(TARGETS)
    weights = [TARGETS[name].share for name in names]
    until = time.monotonic() + 60 * options.minutes
    known: set[str] = set()
    number = 0
    print(f"seed {options.seed}", flush=True)
    while time.monotonic() < until:
        name = rng.choices(names, weights)[0]
        number += 1
        content = spoiled(name, rng.getrandbits(60))
        try:
            read(name, content)
        except Found as found:
            cause = found.__cause__
            where = traceback.extract_tb(cause.__traceback__)[-1] if cause is not None else None
            what = f"{name}: {str(found.fault)[:60]}" if where is None else f"{where.filename}:{where.lineno}"
            if what in known:
                continue
            known.add(what)
            path = FOUND / name.replace(" ", "_") / hashlib.sha256(content).hexdigest()[:12]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            print(f"{found}\n  at {what}\n  {path}", flush=True)
    print(f"{number:,} inputs, {len(known)} faults")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main())
