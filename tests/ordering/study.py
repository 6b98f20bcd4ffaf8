"""What ``cprmodel order`` says that orders lose, against the judge: python -m tests.ordering.study [SETTINGS]"""

from __future__ import annotations

import sys

import numpy as np

from cprmodel.ordering import Setting, predict
from tests.ordering.judge import steady
from tests.ordering.test_judged import rows_at_random

ORDERS = ("round-robin", "mfu", "update-age", "scar", "ssu")
INTERVALS = 60


def main(number: int) -> None:
    """A line a setting; at the end the worst of each order, in percent and in standard errors."""
    apart: dict[str, list[tuple[float, float]]] = {name: [] for name in ORDERS}
    for seed in range(number):
        random = np.random.default_rng([99, seed])
        rows, rates = rows_at_random(random)
        fraction = 1 / 2.0 ** random.integers(1, 7)
        many = rates.sum() > 3e4 or rates.mean() < 3  # the judge's list is slow, and cold rows wait long on it
        names = [name for name in ORDERS if not (name == "ssu" and (many or rates.size < 1000))]
        cells = [f"{rates.size:5} rows, {rates.mean():6.2f} updates, 1/{1 / fraction:.0f}:"]
        for one in predict(rows, Setting(float(rates.size), fraction), names):
            slots = int(INTERVALS / fraction)
            played, error = steady(one.name, rates * fraction, fraction, slots, slots, seed)
            sure = float(np.hypot(error, one.standard_error or 0.0))
            off = one.lost_updates_fraction - played
            apart[one.name].append((100 * off / played, off / sure if sure else 0.0))
            cells.append(f"{one.name} {one.lost_updates_fraction:.4f} ({played:.4f} ± {sure:.4f})")
        print(" ".join(cells), flush=True)
    for name, found in apart.items():
        if found:
            percent, errors = np.abs(found).T
            print(
                f"{name:12} {len(found):3} settings: median {np.median(percent):.2f}%, most {percent.max():.1f}%; "
                f"{(errors < 3).mean():.0%} within 3 standard errors"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
