"""The data set: the raw files, and the arrays that every later stage reads."""


rule download:
    input:
        inputs("download"),
        code=code("download"),
    output:
        outputs("download"),
    log:
        log_of("download"),
    conda:
        "../envs/vlac.yaml"
    resources:
        mem_mb=memory(500, copies=4),
        runtime="30m",
    params:
        values("download"),
    message:
        "Fetch or render the raw files"
    shell:
        command("download")


rule prepare:
    input:
        inputs("prepare"),
        code=code("prepare"),
    output:
        shown("prepare", "Data"),
    log:
        log_of("prepare"),
    conda:
        "../envs/vlac.yaml"
    resources:
        mem_mb=memory(1000, copies=8),
        runtime="1h",
    params:
        values("prepare"),
    message:
        "Check the raw files, split them and describe them"
    shell:
        command("prepare")
