rule embeddings:
    input:
        lambda wildcards: plan.stitched(wildcards.profile),
    output:
        parquet=f"{RESULTS}/profiles/{{profile}}/embeddings.parquet",
        meta=f"{RESULTS}/profiles/{{profile}}/meta.json",
    log:
        f"{RESULTS}/logs/embeddings/{{profile}}.log",
    benchmark:
        f"{RESULTS}/logs/embeddings/{{profile}}.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=1000,
    params:
        rois=plan.roi_digest,
    message:
        "Write embeddings of {wildcards.profile}"
    shell:
        start("embeddings {wildcards.profile:q} {output.parquet:q} {output.meta:q}")


rule grids:
    input:
        lambda wildcards: plan.stitched(wildcards.profile),
    output:
        directory(f"{RESULTS}/profiles/{{profile}}/grids"),
    log:
        f"{RESULTS}/logs/grids/{{profile}}.log",
    benchmark:
        f"{RESULTS}/logs/grids/{{profile}}.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=1000,
    message:
        "Write grids of {wildcards.profile}"
    shell:
        start("grids {wildcards.profile:q} {output:q}")


rule sweep:
    input:
        lambda wildcards: finishing().metas(),
        plan.verdict_files(),
        plan.race_files(),
    output:
        **plan.sweep_files(),
    log:
        f"{RESULTS}/logs/sweep.log",
    benchmark:
        f"{RESULTS}/logs/sweep.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=1000,
    params:
        sweep=plan.keys_digest,
        lock=plan.lock_digest,
    message:
        "Write the sweep table and the lock"
    shell:
        start("sweep {output:q}")


rule figures:
    input:
        f"{RESULTS}/sweep.csv",
        lambda wildcards: finishing().stitched_grids(),
    output:
        directory(f"{RESULTS}/figures"),
    log:
        f"{RESULTS}/logs/figures.log",
    benchmark:
        f"{RESULTS}/logs/figures.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=2000,
    message:
        "Draw the figures"
    shell:
        start("figures {output:q}")


rule report:
    input:
        plan.verdict_files(),
        plan.race_files(),
        list(plan.published_files().values()),
        table=f"{RESULTS}/sweep.csv",
        metas=lambda wildcards: finishing().metas(),
        lock=str(plan.study.lock),
        figures=f"{RESULTS}/figures",
    output:
        report(f"{RESULTS}/report.html", category="Study"),
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/logs/report.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=1000,
    message:
        "Write the report"
    shell:
        start("report {input.figures:q} {input.lock:q} {output:q}")


rule complete:
    input:
        lambda wildcards: finishing().results(),
        table=f"{RESULTS}/sweep.csv",
    output:
        plan.complete,
    log:
        f"{RESULTS}/logs/complete.log",
    localrule: True
    conda:
        "../envs/base.yaml"
    params:
        max_failed=plan.study.options["max_failed"],
        rois=plan.roi_digest,
        sweep=plan.keys_digest,
    message:
        "Check that enough ROIs have an embedding"
    shell:
        start("complete {input.table:q} {params.max_failed} {output:q}")
