rule fetch:
    output:
        kept("fetch", f"{STORE}/fetch/{{key}}/{{shard}}.h5"),
    log:
        f"{LOGS}/fetch/{{key}}/{{shard}}.log",
    benchmark:
        f"{LOGS}/fetch/{{key}}/{{shard}}.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    threads: lambda wildcards: fetch_threads(plan, wildcards.key)
    resources:
        mem_mb=lambda wildcards, attempt: plan.memory_mb(wildcards.key, attempt, wildcards.shard),
        runtime=minutes,
        ee=lambda wildcards: plan.requests(wildcards.key),
    message:
        "Fetch scenes: {wildcards.key}, shard {wildcards.shard}"
    shell:
        start("stage {wildcards.key} {wildcards.shard} {threads}")
