rule given:
    output:
        parquet=f"{RESULTS}/given/{{given}}/embeddings.parquet",
        meta=f"{RESULTS}/given/{{given}}/meta.json",
    log:
        f"{RESULTS}/logs/given/{{given}}.log",
    benchmark:
        f"{RESULTS}/logs/given/{{given}}.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=2000,
    params:
        rois=plan.roi_digest,
        file=lambda wildcards: plan.given[wildcards.given].identity(),
    message:
        "Read given embeddings {wildcards.given}"
    shell:
        start("given {wildcards.given:q} {output.parquet:q} {output.meta:q}")
