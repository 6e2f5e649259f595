"""A race (`sweep: {design: race}`): who goes on is known when a round has run, hence checkpoints."""


checkpoint race_parts:
    input:
        design=f"{RESULTS}/evaluation/design.json",
    output:
        f"{RESULTS}/race/parts.json",
    log:
        f"{RESULTS}/logs/race/parts.log",
    benchmark:
        f"{RESULTS}/logs/race/parts.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=1000,
    params:
        rois=plan.roi_digest,
        race=plan.race_options,
    message:
        "Draw the parts of the race"
    shell:
        start("race_parts {input.design:q} {output:q}")


rule race_evaluate:
    input:
        lambda wildcards: left_after(int(wildcards.round) - 1).raced(
            wildcards.batch, part(int(wildcards.round))
        ),
        design=f"{RESULTS}/evaluation/design.json",
    output:
        f"{RESULTS}/race/{{round}}/batch-{{batch}}.json",
    log:
        f"{RESULTS}/logs/race/{{round}}-{{batch}}.log",
    benchmark:
        f"{RESULTS}/logs/race/{{round}}-{{batch}}.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=2000,
    params:
        probes=plan.probe_options(),
    message:
        "Probe embeddings for round {wildcards.round} of the race, batch {wildcards.batch}"
    shell:
        start("race_evaluate {wildcards.round} {wildcards.batch} {input.design:q} {output:q}")


checkpoint race_round:
    input:
        lambda wildcards: left_after(int(wildcards.round) - 1).race_evaluations(
            int(wildcards.round)
        ),
        design=f"{RESULTS}/evaluation/design.json",
    output:
        f"{RESULTS}/race/round-{{round}}.json",
    log:
        f"{RESULTS}/logs/race/round-{{round}}.log",
    benchmark:
        f"{RESULTS}/logs/race/round-{{round}}.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=2000,
    params:
        matters=plan.study.evaluate.get("matters"),
        race=plan.race_options,
    message:
        "Decide who goes on after round {wildcards.round} of the race"
    shell:
        start("race_round {wildcards.round} {input.design:q} {output:q}")
