"""What the rules share."""

import shlex
from pathlib import Path

deals = not workflow.remote_exec and workflow.resource_settings.nodes is None
INFERENCE_THREADS = inference_threads(plan, workflow.resource_settings.cores if deals else None)

deployed = workflow.deployment_settings.deployment_method
PYTHON = "python" if deployed else shlex.quote(sys.executable)


def start(script):
    """The command by which a rule runs a script with its arguments.

    -S leaves site-packages out, which a client of a worker needs none of. Where Snakemake makes
    environments, `python` is that of the rule's.
    """
    run = shlex.quote(str(Path(workflow.basedir, "scripts", "run.py")))
    escaped = f"{PYTHON} -S {run}".replace("{", "{{").replace("}", "}}")
    return f"{escaped} {{log:q}} {{threads}} {script}"


def kept(stage, path):
    """A stage's output, or a temporary one where the study says so under `retain`.

    `update` keeps Snakemake from removing the file before a job: another study may have made it in
    a store that is shared. For the same reason the profiles say `keep-incomplete`.
    """
    path = update(path)
    return temp(path) if plan.study.retain.get(stage) == "temp" else path


def stage_inputs(wildcards):
    """Files that a stage's job reads; their age does not matter, since keys are identities."""
    return {n: ancient(p) for n, p in plan.inputs(wildcards.key, wildcards.shard).items()}


def weights_files(wildcards):
    """What says that the weights of an inference job are on this machine, if it reads any."""
    node = plan.nodes[wildcards.key]
    name = weights_name(node, plan.study.node_options()[node.key])
    return [ancient(str(marker(RESULTS, name)))] if name else []


def minutes(wildcards, attempt, threads):
    """Run time that a stage's job asks a cluster for."""
    node, shard = plan.nodes[wildcards.key], plan.shard(wildcards.key, wildcards.shard)
    return runtime_min(node, shard, attempt, threads, plan.study.options["gpus"])


def pack(wildcards):
    """The group of an inference job; `group-components: infer=N` is to mean every one of them."""
    name = pack_name(plan, wildcards.key, wildcards.shard)
    workflow.parent_groupids[name] = "infer"
    return name


def left_after(number):
    """The plan of the profiles that a round of a race has left; 0: of all."""
    if number == 0:
        return plan
    return plan.only(read_round(Path(checkpoints.race_round.get(round=number).output[0])).going)


def finishing():
    """The plan of the profiles that run on every place: of all, unless the study races them."""
    return left_after(plan.rounds)


def part(number):
    """Shards of a round of a race."""
    return read_parts(Path(checkpoints.race_parts.get().output[0]))[number - 1]
