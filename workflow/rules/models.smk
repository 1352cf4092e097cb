"""The rows of the table, one job per model and seed."""


rule train:
    input:
        request="results/{experiment}/requests/train/{model}/{seed}.json",
        train="data/{experiment}/train.npz",
        # With a number it does not wait for the probe, which makes auto.json.
        rung=f"results/{{experiment}}/rung/{PARAMS.digit_rung}.json",
    output:
        model="results/{experiment}/train/{model}/{seed}/model.pt",
        history="results/{experiment}/train/{model}/{seed}/history.csv",
        manifest="results/{experiment}/train/{model}/{seed}/manifest.json",
    log:
        "logs/{experiment}/train/{model}/{seed}.log",
    conda:
        "../envs/vlac.yaml"
    threads: THREADS
    resources:
        mem_mb=memory(4000, copies=8),
        runtime="24h",
        gpu=gpus,
    message:
        "Train {wildcards.model}, seed {wildcards.seed}"
    shell:
        "python -m vlac train --model {wildcards.model} --seed {wildcards.seed}"


rule judge:
    input:
        request="results/{experiment}/requests/judge.json",
        train="data/{experiment}/train.npz",
        test="data/{experiment}/test.npz",
    output:
        judge="results/{experiment}/judge/judge.pt",
        manifest="results/{experiment}/judge/manifest.json",
    log:
        "logs/{experiment}/judge.log",
    conda:
        "../envs/vlac.yaml"
    threads: THREADS
    resources:
        mem_mb=memory(2000, copies=8),
        runtime="4h",
        gpu=gpus,
    message:
        "Teach the judge of samples"
    shell:
        "python -m vlac judge"


rule evaluate:
    input:
        request="results/{experiment}/requests/evaluate/{model}/{seed}.json",
        train="data/{experiment}/train.npz",
        test="data/{experiment}/test.npz",
        judge="results/{experiment}/judge/manifest.json",
        trained="results/{experiment}/train/{model}/{seed}/manifest.json",
    output:
        scores="results/{experiment}/evaluate/{model}/{seed}/scores.csv",
        factors="results/{experiment}/evaluate/{model}/{seed}/factors.csv",
        confusion="results/{experiment}/evaluate/{model}/{seed}/confusion.csv",
        manifest="results/{experiment}/evaluate/{model}/{seed}/manifest.json",
    log:
        "logs/{experiment}/evaluate/{model}/{seed}.log",
    conda:
        "../envs/vlac.yaml"
    threads: THREADS
    resources:
        mem_mb=memory(2000, copies=8),
        runtime="4h",
        gpu=gpus,
    message:
        "Score {wildcards.model}, seed {wildcards.seed}"
    shell:
        "python -m vlac evaluate --model {wildcards.model} --seed {wildcards.seed}"
