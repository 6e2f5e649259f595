rule prep:
    input:
        unpack(stage_inputs),
    output:
        kept("prep", f"{STORE}/prep/{{key}}/{{shard}}.h5"),
    log:
        f"{LOGS}/prep/{{key}}/{{shard}}.log",
    benchmark:
        f"{LOGS}/prep/{{key}}/{{shard}}.benchmark.jsonl"
    priority: 10
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: plan.memory_mb(wildcards.key, attempt, wildcards.shard),
        runtime=minutes,
    message:
        "Cut tiles: {wildcards.key}, shard {wildcards.shard}"
    shell:
        start("stage {wildcards.key} {wildcards.shard} {threads}")
