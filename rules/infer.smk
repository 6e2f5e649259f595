rule infer:
    input:
        unpack(stage_inputs),
        weights=weights_files,
    output:
        kept("infer", f"{STORE}/infer/{{key}}/{{shard}}.h5"),
    log:
        f"{LOGS}/infer/{{key}}/{{shard}}.log",
    benchmark:
        f"{LOGS}/infer/{{key}}/{{shard}}.benchmark.jsonl"
    priority: lambda wildcards: priority(plan, wildcards.key, wildcards.shard)
    group:
        pack
    conda:
        "../envs/torch.yaml"
    threads: INFERENCE_THREADS
    resources:
        mem_mb=lambda wildcards, attempt: plan.memory_mb(wildcards.key, attempt, wildcards.shard),
        runtime=minutes,
        gpu=plan.study.options["gpus"],
    message:
        "Embed tiles: {wildcards.key}, shard {wildcards.shard}"
    shell:
        start("infer {wildcards.key} {wildcards.shard} {threads} {resources.mem_mb}")
