if plan.published_files():

    rule published:
        input:
            published=plan.study.options["published"],
            table=f"{RESULTS}/sweep.csv",
        output:
            **plan.published_files(),
        log:
            f"{RESULTS}/logs/published.log",
        benchmark:
            f"{RESULTS}/logs/published.benchmark.jsonl"
        conda:
            "../envs/base.yaml"
        resources:
            mem_mb=1000,
        message:
            "Compare results with published numbers"
        shell:
            start(
                "published {input.published:q} {input.table:q} {output.table:q} {output.figure:q}"
            )

    rule regenerate:
        input:
            plan.complete,
            table=plan.published_files()["table"],
        log:
            f"{RESULTS}/logs/regenerate.log",
        localrule: True
        conda:
            "../envs/base.yaml"
        message:
            "Check that published numbers came out again"
        shell:
            start("regenerate {input.table:q}")
