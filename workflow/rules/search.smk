"""The hyper-parameter search of search.yaml, no part of `all`: `snakemake --cores 2 reports/search.md`."""


rule trial:
    input:
        inputs("trial"),
        code=code("trial"),
    output:
        outputs("trial"),
    log:
        log_of("trial"),
    wildcard_constraints:
        model="[A-Za-z][A-Za-z0-9_]*",
        seeds="[0-9]+",
    conda:
        "../envs/vlac.yaml"
    threads: lambda wildcards: asked(job_of("trial", wildcards)).training.threads
    resources:
        mem_mb=memory(4000, copies=8),
        runtime="24h",
        gpu=lambda wildcards: gpus(asked(job_of("trial", wildcards)).training.device),
    params:
        values("trial"),
    message:
        "Try {wildcards.model}, seed {wildcards.seeds}"
    shell:
        command("trial")


rule search:
    input:
        inputs("search"),
        code=code("search"),
    output:
        shown("search", "Search"),
    log:
        log_of("search"),
    conda:
        "../envs/vlac.yaml"
    resources:
        mem_mb=memory(1000),
        runtime="30m",
    params:
        values("search"),
    message:
        "Gather the trials and apply the rule"
    shell:
        command("search")
