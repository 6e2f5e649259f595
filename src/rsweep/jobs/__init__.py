"""Running a node for a shard: the runner, the worker and packs."""
