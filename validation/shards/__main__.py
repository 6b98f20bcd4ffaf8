"""``python -m validation.shards CONFIG.json``: a shard process."""

import sys

from validation.shards.server import main

main(sys.argv[1])
