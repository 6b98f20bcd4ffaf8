"""``python -m validation``."""

import importlib.util
import sys
from typing import Any

NEEDED = ("torch", "safetensors", "sklearn")

if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
    what = 'expected to be installed: pip install -c constraints.txt -e ".[validation]"'
    print(f"validation: {missing[0]}: {what}", file=sys.stderr)
    sys.exit(2)

from cprmodel.cli import run_app  # noqa: E402


def load() -> Any:
    """The commands; what they need takes a while to load, and may be interrupted."""
    from validation.cli import app

    return app


run_app(load, "validation")
