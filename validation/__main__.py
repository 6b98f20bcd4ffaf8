"""``python -m validation``."""

from cprmodel.cli import run_app
from validation.cli import app

run_app(app, "validation")
