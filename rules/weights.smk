localrules:
    weights,


rule weights:
    output:
        f"{RESULTS}/weights/{{weights}}.json",
    log:
        f"{RESULTS}/logs/weights/{{weights}}.log",
    benchmark:
        f"{RESULTS}/logs/weights/{{weights}}.benchmark.jsonl"
    conda:
        "../envs/torch.yaml"
    message:
        "Fetch weights {wildcards.weights}"
    shell:
        start("weights {wildcards.weights} {output:q}")
