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
        mem_mb=memory(4000, copies=8),
        runtime="24h",
        gpu=training_gpus,
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
        mem_mb=memory(2000, copies=8),
        runtime="4h",
        gpu=training_gpus,
    params:
        values("evaluate"),
    message:
        "Score {wildcards.model}, seeds {wildcards.seeds}"
    shell:
        command("evaluate")
