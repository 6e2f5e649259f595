rule stitch:
    input:
        unpack(stage_inputs),
    output:
        kept("stitch", f"{STORE}/stitch/{{key}}/{{shard}}.h5"),
    log:
        f"{LOGS}/stitch/{{key}}/{{shard}}.log",
    benchmark:
        f"{LOGS}/stitch/{{key}}/{{shard}}.benchmark.jsonl"
    priority: 10
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: plan.memory_mb(wildcards.key, attempt, wildcards.shard),
        runtime=minutes,
    message:
        "Stitch token maps: {wildcards.key}, shard {wildcards.shard}"
    shell:
        start("stage {wildcards.key} {wildcards.shard} {threads}")
