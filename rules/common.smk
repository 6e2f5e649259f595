"""What the stage rules share."""


def kept(stage, path):
    """A stage's output, or a temporary one where the study says so under `retain`."""
    return temp(path) if plan.study.retain.get(stage) == "temp" else path


def stage_inputs(wildcards):
    """Files that a stage's job reads; their age does not matter, since keys are identities."""
    return {n: ancient(p) for n, p in plan.inputs(wildcards.key, wildcards.shard).items()}
