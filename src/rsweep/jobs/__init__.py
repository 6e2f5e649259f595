"""Running a node for a shard: the runner, the worker, packs and estimates."""
