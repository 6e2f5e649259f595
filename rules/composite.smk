rule composite:
    input:
        unpack(stage_inputs),
    output:
        kept("composite", f"{STORE}/composite/{{key}}/{{shard}}.h5"),
    log:
        f"{LOGS}/composite/{{key}}/{{shard}}.log",
    benchmark:
        f"{LOGS}/composite/{{key}}/{{shard}}.benchmark.jsonl"
    priority: 10
    conda:
        "../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: plan.memory_mb(wildcards.key, attempt, wildcards.shard),
        runtime=minutes,
    message:
        "Composite scenes: {wildcards.key}, shard {wildcards.shard}"
    shell:
        start("stage {wildcards.key} {wildcards.shard} {threads}")
