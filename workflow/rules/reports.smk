"""What a person reads: the figures of every model, and Table 1."""


rule figures:
    input:
        inputs("figures"),
        code=code("figures"),
    output:
        shown("figures", "Figures", model="{model}", seeds="{seeds}"),
    log:
        log_of("figures"),
    conda:
        "../envs/vlac.yaml"
    threads: THREADS
    resources:
        mem_mb=memory(2000, copies=2),
        runtime="1h",
    params:
        values("figures"),
    message:
        "Draw the figures of {wildcards.model}, seeds {wildcards.seeds}"
    shell:
        command("figures")


rule table:
    input:
        inputs("table"),
        code=code("table"),
    output:
        shown("table", "Table 1"),
    log:
        log_of("table"),
    conda:
        "../envs/vlac.yaml"
    resources:
        mem_mb=memory(1000),
        runtime="30m",
    params:
        values("table"),
    message:
        "Fill Table 1"
    shell:
        command("table")
