"""Real training of a reduced DLRM whose shards are really killed: what cprmodel's predictions are tested on."""
