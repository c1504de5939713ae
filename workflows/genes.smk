# A cohort of cells: train classifiers out of fold, explain every cell, rank the genes of every group, report.


wildcard_constraints:
    cohort="[A-Za-z0-9_.-]+",


rule genes_demo_cohort:
    output:
        "results/genes/{cohort}/cohort.h5ad",
    log:
        "results/genes/{cohort}/logs/cohort.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    shell:
        "exec python -m lrp_domains genes demo-cohort --out {output:q} > {log:q} 2>&1"


rule genes_train:
    input:
        cohort=cohort_file,
    output:
        models="results/genes/{cohort}/models.pt",
        accuracy="results/genes/{cohort}/accuracy.tsv",
    log:
        "results/genes/{cohort}/logs/train.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=config["gpu"],
    params:
        labels=cohort_setting("labels"),
        layer=cohort_setting("layer"),
        folds=config["genes"]["training"]["folds"],
        seed=config["genes"]["training"]["seed"],
        hidden=config["genes"]["training"]["hidden"],
        epochs=config["genes"]["training"]["epochs"],
        patience=config["genes"]["training"]["patience"],
        device=device,
    shell:
        "exec python -m lrp_domains genes train {input.cohort:q} --labels {params.labels:q} --layer {params.layer:q}"
        " --folds {params.folds} --seed {params.seed} --hidden {params.hidden}"
        " --epochs {params.epochs} --patience {params.patience} --device {params.device}"
        " --out {output.models:q} --accuracy {output.accuracy:q} > {log:q} 2>&1"


rule genes_explain:
    input:
        cohort=cohort_file,
        models="results/genes/{cohort}/models.pt",
    output:
        temp("results/genes/{cohort}/explained.h5ad"),
    log:
        "results/genes/{cohort}/logs/explain.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=config["gpu"],
    params:
        target=config["genes"]["explanation"]["target"],
        score=config["genes"]["explanation"]["score"],
        rules=config["genes"]["explanation"]["rules"],
        batch_size=config["genes"]["explanation"]["batch_size"],
        device=device,
    shell:
        "exec python -m lrp_domains genes explain {input.cohort:q} --models {input.models:q}"
        " --target {params.target:q} --score {params.score} --rules {params.rules}"
        " --batch-size {params.batch_size} --device {params.device} --out {output:q} > {log:q} 2>&1"


rule genes_rank:
    input:
        "results/genes/{cohort}/explained.h5ad",
    output:
        cohort="results/genes/{cohort}/ranked.h5ad",
        table="results/genes/{cohort}/genes.tsv",
    log:
        "results/genes/{cohort}/logs/rank.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    params:
        wilcoxon=(
            "--wilcoxon" if config["genes"]["ranking"]["wilcoxon"] else "--no-wilcoxon"
        ),
    shell:
        "exec python -m lrp_domains genes rank {input:q} {params.wilcoxon}"
        " --out {output.cohort:q} --table {output.table:q} > {log:q} 2>&1"


rule genes_report:
    input:
        cohort="results/genes/{cohort}/ranked.h5ad",
        accuracy="results/genes/{cohort}/accuracy.tsv",
    output:
        "results/genes/{cohort}/report.html",
    log:
        "results/genes/{cohort}/logs/report.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    params:
        top=config["genes"]["report"]["top"],
    shell:
        "exec python -m lrp_domains genes report {input.cohort:q} --accuracy {input.accuracy:q}"
        " --top {params.top} --title {wildcards.cohort:q} --out {output:q} > {log:q} 2>&1"
