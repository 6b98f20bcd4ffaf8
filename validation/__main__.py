"""``python -m validation``."""

import importlib.util
import sys

NEEDED = ("torch", "safetensors", "polars", "sklearn")

if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
    what = 'expected to be installed: pip install -c constraints.txt -e ".[validation]"'
    print(f"validation: {missing[0]}: {what}", file=sys.stderr)
    sys.exit(2)

from cprmodel.cli import run_app  # noqa: E402
from validation.cli import app  # noqa: E402

run_app(app, "validation")
