"""``python -m validation.training CONFIG.json``: the trainer process."""

import sys

from validation.training.trainer import main

main(sys.argv[1])
