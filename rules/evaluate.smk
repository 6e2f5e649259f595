rule evaluate:
    input:
        f"{RESULTS}/profiles/{{profile}}/embeddings.parquet",
    output:
        f"{RESULTS}/profiles/{{profile}}/quality.json",
    log:
        f"{RESULTS}/logs/evaluate/{{profile}}.log",
    benchmark:
        f"{RESULTS}/logs/evaluate/{{profile}}.benchmark.jsonl"
    conda:
        "../envs/base.yaml"
    resources:
        mem_mb=2000,
    params:
        evaluate=plan.study.evaluate,
    message:
        "Probe embeddings of {wildcards.profile}"
    script:
        "../scripts/evaluate.py"
