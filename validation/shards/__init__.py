"""Embedding shards: rows in processes of their own, reached over sockets. No torch, but on a GPU."""
