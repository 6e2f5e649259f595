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
    group:
        pack
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: plan.memory_mb(wildcards.key, attempt, wildcards.shard),
        runtime=minutes,
        gpu=plan.study.options["gpus"],
    message:
        "Embed tiles: {wildcards.key}, shard {wildcards.shard}"
    shell:
        start("infer {wildcards.key} {wildcards.shard} {threads} {resources.mem_mb}")
