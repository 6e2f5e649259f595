"""A study of embedding settings: five cached stages, then its tables, figures and page."""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.enums import Quietness

sys.path.insert(0, f"{workflow.basedir}/src")

from rsweep.core.errors import StudyError
from rsweep.plan.cores import fetch_threads, inference_threads, priority
from rsweep.plan.estimates import runtime_min
from rsweep.plan.evaluation import VERDICT
from rsweep.jobs.owner import own_jobs
from rsweep.jobs.packs import pack_name, release
from rsweep.jobs.pace import wait_for_jobs_alone
from rsweep.jobs.weights import forget_lost, marker, weights_name
from rsweep.jobs.workdir import take_over
from rsweep.report.summary import announce, conclude, preview, receive
from rsweep.plan.rounds import read_parts, read_round
from rsweep.plan.stored import tell
from rsweep.plan.workflow import KEY_PATTERN, Plan
from rsweep.stages.registry import STAGES

# Snakemake merges --configfile into a configfile statement, key by key: a study without a sweep
# would inherit the default study's. So the default is read only where no study is given.
if "study" not in config:

    configfile: "config/config.yaml"


try:
    plan = Plan(config, " + ".join(map(str, workflow.configfiles)) or "study")
except (StudyError, OSError) as error:
    raise WorkflowError(str(error))

own_jobs(config, workflow.resource_settings.cores, packed=workflow.remote_exec)
tell(plan.path)
if workflow.is_main_process:
    take_over()
    forget_lost(plan.study)
    if not workflow.output_settings.dryrun:
        receive(plan)
if workflow.output_settings.dryrun and not workflow.output_settings.printshellcmds:
    # The table of jobs alone; `snakemake -n -p` lists every job.
    preview(plan)
    workflow.output_settings.quiet = {Quietness.RULES, Quietness.PROGRESS}

STORE, RESULTS = plan.store, plan.folder
LOGS = f"{plan.study.options['results']}/logs"


wildcard_constraints:
    key=KEY_PATTERN,
    shard=KEY_PATTERN,
    profile="[^/]+",
    given="[^/]+",
    round="[0-9]+",


include: "rules/common.smk"


rule all:
    default_target: True
    input:
        plan.complete,
        lambda wildcards: finishing().results(),  # one that was removed is made again


for stage in STAGES:

    include: f"rules/{stage}.smk"


include: "rules/weights.smk"
include: "rules/given.smk"
include: "rules/race.smk"
include: "rules/evaluate.smk"
include: "rules/published.smk"
include: "rules/report.smk"
include: "rules/verify.smk"


onstart:
    announce(plan)
    wait_for_jobs_alone(workflow.scheduler)


onsuccess:
    conclude(plan)
    release(plan)


onerror:
    conclude(plan, failed=True)
