"""The probe: which rung of a VLAE carries digit identity."""


rule train_vlae:
    input:
        inputs("train_vlae"),
        code=code("train_vlae"),
    output:
        outputs("train_vlae"),
    log:
        log_of("train_vlae"),
    conda:
        "../envs/vlac.yaml"
    threads: training_threads
    resources:
        mem_mb=memory(4000, copies=8),
        runtime="24h",
        gpu=training_gpus,
    params:
        values("train_vlae"),
    message:
        "Train the VLAE, seeds {wildcards.seeds}"
    shell:
        command("train_vlae")


rule probe:
    input:
        inputs("probe"),
        code=code("probe"),
    output:
        outputs("probe"),
    log:
        log_of("probe"),
    conda:
        "../envs/vlac.yaml"
    threads: THREADS
    resources:
        mem_mb=memory(2000, copies=8),
        runtime="4h",
        gpu=training_gpus,
    params:
        values("probe"),
    message:
        "Measure the rungs of the VLAE, seeds {wildcards.seeds}"
    shell:
        command("probe")


rule rung:
    input:
        inputs("rung"),
        code=code("rung"),
    output:
        shown("rung", "Probe"),
    log:
        log_of("rung"),
    conda:
        "../envs/vlac.yaml"
    resources:
        mem_mb=memory(1000),
        runtime="30m",
    params:
        values("rung"),
    message:
        "Name the rung that gets the largest K"
    shell:
        command("rung")
