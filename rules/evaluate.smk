rule design:
    output:
        f"{RESULTS}/evaluation/design.json",
    log:
        f"{RESULTS}/logs/design.log",
    benchmark:
        f"{RESULTS}/logs/design.benchmark.jsonl"
    priority: 10
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=1000,
    params:
        rois=plan.roi_digest,
        design=plan.design_options(),
    message:
        "Draw blocks and folds"
    shell:
        start("design {output:q}")


rule evaluate:
    input:
        lambda wildcards: finishing().embeddings(wildcards.batch),
        design=f"{RESULTS}/evaluation/design.json",
    output:
        f"{RESULTS}/evaluation/batch-{{batch}}.json",
    log:
        f"{RESULTS}/logs/evaluate/{{batch}}.log",
    benchmark:
        f"{RESULTS}/logs/evaluate/{{batch}}.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=2000,
    params:
        probes=plan.probe_options(),
    message:
        "Probe embeddings, batch {wildcards.batch}"
    shell:
        start("evaluate {wildcards.batch} {input.design:q} {output:q}")


rule verdict:
    input:
        lambda wildcards: finishing().evaluations(),
        lambda wildcards: finishing().metas(),
        plan.race_files(),
        design=f"{RESULTS}/evaluation/design.json",
    output:
        verdict=f"{RESULTS}/verdict.json",
        pairs=f"{RESULTS}/comparisons.parquet",
    log:
        f"{RESULTS}/logs/verdict.log",
    benchmark:
        f"{RESULTS}/logs/verdict.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=2000,
    params:
        version=VERDICT,
        matters=plan.study.evaluate.get("matters"),
        prices=plan.study.options["prices"],
    message:
        "Compare the profiles"
    shell:
        start("verdict {input.design:q} {output.verdict:q} {output.pairs:q}")
