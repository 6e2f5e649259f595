rule verify:
    input:
        lock=ancient(str(plan.study.lock)),
        report=ancient(f"{RESULTS}/report.html"),
    log:
        f"{RESULTS}/logs/verify.log",
    conda:
        "../envs/base.yaml"
    params:
        python=sys.executable,
        source=f"{workflow.basedir}/src",
        store=plan.store,
        results=RESULTS,
    message:
        "Compare results with their lock"
    shell:
        "PYTHONPATH={params.source} {params.python} -m rsweep.cli verify {params.results} --store {params.store} 2>&1 | tee {log}"
