"""The measured models, one job per model and seed group."""


rule train:
    input:
        inputs("train"),
        code=code("train"),
    output:
        outputs("train"),
    log:
        log_of("train"),
    conda:
        "../envs/vlac.yaml"
    threads: training_threads
    resources:
        gpu=GPU,
    params:
        values("train"),
    message:
        "Train {wildcards.model}, seeds {wildcards.seeds}"
    shell:
        command("train")


rule evaluate:
    input:
        inputs("evaluate"),
        code=code("evaluate"),
    output:
        outputs("evaluate"),
    log:
        log_of("evaluate"),
    conda:
        "../envs/vlac.yaml"
    threads: THREADS
    resources:
        gpu=GPU,
    params:
        values("evaluate"),
    message:
        "Score {wildcards.model}, seeds {wildcards.seeds}"
    shell:
        command("evaluate")
