"""The probe: which rung of a VLAE carries digit identity."""


rule train_vlae:
    input:
        request="results/{experiment}/requests/train_vlae/vlae/{seed}.json",
        train="data/{experiment}/train.npz",
    output:
        model="results/{experiment}/train/vlae/{seed}/model.pt",
        history="results/{experiment}/train/vlae/{seed}/history.csv",
        manifest="results/{experiment}/train/vlae/{seed}/manifest.json",
    log:
        "logs/{experiment}/train_vlae/vlae/{seed}.log",
    conda:
        "../envs/vlac.yaml"
    threads: THREADS
    resources:
        mem_mb=memory(4000, copies=8),
        runtime="24h",
        gpu=gpus,
    message:
        "Train the VLAE, seed {wildcards.seed}"
    shell:
        "python -m vlac train --model vlae --seed {wildcards.seed}"


rule probe:
    input:
        request="results/{experiment}/requests/probe/{seed}.json",
        train="data/{experiment}/train.npz",
        trained="results/{experiment}/train/vlae/{seed}/manifest.json",
    output:
        scores="results/{experiment}/probe/{seed}/scores.csv",
        manifest="results/{experiment}/probe/{seed}/manifest.json",
    log:
        "logs/{experiment}/probe/{seed}.log",
    conda:
        "../envs/vlac.yaml"
    threads: THREADS
    resources:
        mem_mb=memory(2000, copies=8),
        runtime="4h",
        gpu=gpus,
    message:
        "Measure the rungs of the VLAE, seed {wildcards.seed}"
    shell:
        "python -m vlac probe --seed {wildcards.seed}"


rule rung:
    input:
        request="results/{experiment}/requests/rung.json",
        probed=expand("results/{{experiment}}/probe/{seed}/manifest.json", seed=PARAMS.probe.seeds),
    output:
        rung="results/{experiment}/rung/auto.json",
        manifest="results/{experiment}/rung/manifest.json",
    log:
        "logs/{experiment}/rung.log",
    conda:
        "../envs/vlac.yaml"
    resources:
        mem_mb=memory(1000),
        runtime="30m",
    message:
        "Name the rung that carries the digit"
    shell:
        "python -m vlac rung"


rule probe_report:
    input:
        request="results/{experiment}/requests/probe_report.json",
        probed=expand("results/{{experiment}}/probe/{seed}/manifest.json", seed=PARAMS.probe.seeds),
    output:
        report=report("reports/{experiment}/probe.md", category="Probe"),
        chart=report("reports/{experiment}/probe.png", category="Probe", caption="../report/probe.rst"),
        manifest="results/{experiment}/probe_report/manifest.json",
    log:
        "logs/{experiment}/probe_report.log",
    conda:
        "../envs/vlac.yaml"
    resources:
        mem_mb=memory(1000),
        runtime="30m",
    message:
        "Report on the probe"
    shell:
        "python -m vlac probe_report"
