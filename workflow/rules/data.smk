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
    params:
        values("prepare"),
    message:
        "Check the raw files, split them and describe them"
    shell:
        command("prepare")
