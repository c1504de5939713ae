# Cohorts of cells or patients: check, train out of fold, explain, rank, curves; then consensus, enrichment, report.


include: "genes_common.smk"


wildcard_constraints:
    cohort="[A-Za-z0-9_-][A-Za-z0-9_.-]*",


rule genes_select:
    input:
        lambda wildcards: [
            COHORTS[wildcards.cohort][name]
            for name in ("path", "obs")
            if COHORTS[wildcards.cohort].get(name, "pbmc68k_reduced")
            != "pbmc68k_reduced"
        ],
    output:
        "results/genes/{cohort}/cohort.h5ad",
    log:
        "results/genes/{cohort}/logs/select.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    params:
        path=lambda wildcards: COHORTS[wildcards.cohort]["path"],
        columns=cohort_options(
            where="select",
            obs="obs",
            labels="labels",
            least_cells="least_cells",
            rare="rare",
        ),
    shell:
        "exec python -m lrp_domains genes select {params.path:q} {params.columns} --out {output:q} > {log:q} 2>&1"


rule genes_check:
    input:
        cohort=cohort_file,
        model=lambda wildcards: (
            []
            if COHORTS[wildcards.cohort]["model"] == "train"
            else COHORTS[wildcards.cohort]["model"]
        ),
    output:
        "results/genes/{cohort}/check.json",
    log:
        "results/genes/{cohort}/logs/check.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    params:
        model=lambda wildcards, input: option("--model", input.model or ""),
        columns=cohort_options(
            labels="labels",
            task="task",
            time="time",
            donor="donor",
            layer="layer",
            normalisation="normalisation",
            log_base="log_base",
            gene_column="gene_ids",
            fdr="fdr",
            groupby="groupby",
        ),
        target=cohort_or_setting("target"),
        reference=cohort_or_setting("reference"),
        explanation=settings("explanation", "against", "score", "rules"),
        training=settings("training", *TRAINING),
        wilcoxon=WILCOXON,
        pickle=PICKLE,
    shell:
        "exec python -m lrp_domains genes check {input.cohort:q} {params.model} {params.pickle} {params.columns}"
        " {params.target} {params.reference} {params.explanation} {params.training} {params.wilcoxon} --device cpu"
        " --out {output:q} > {log:q} 2>&1"


rule genes_train:
    input:
        cohort=cohort_file,
        check=rules.genes_check.output,
    output:
        model="results/genes/{cohort}/model.pt",
        performance="results/genes/{cohort}/performance.tsv",
    log:
        "results/genes/{cohort}/logs/train.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=config["gpu"],
    params:
        columns=cohort_options(
            labels="labels",
            task="task",
            time="time",
            donor="donor",
            layer="layer",
            normalisation="normalisation",
            log_base="log_base",
            gene_column="gene_ids",
            fdr="fdr",
        ),
        settings=settings("training", *TRAINING),
        device=device,
    shell:
        "exec python -m lrp_domains genes train {input.cohort:q} {params.columns} {params.settings}"
        " --device {params.device} --out {output.model:q} --performance {output.performance:q} > {log:q} 2>&1"


rule genes_explain:
    input:
        cohort=cohort_file,
        model=model_file,
        check=rules.genes_check.output,
    output:
        temp("results/genes/{cohort}/relevance.h5ad"),
    log:
        "results/genes/{cohort}/logs/explain.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=config["gpu"],
    params:
        columns=cohort_options(groupby="groupby", donor="donor", gene_column="gene_ids"),
        target=cohort_or_setting("target"),
        reference=cohort_or_setting("reference"),
        settings=settings(
            "explanation", "against", "score", "rules", "top", "batch_size"
        ),
        layer="--layer" if config["genes"]["explanation"]["layer"] else "--no-layer",
        pickle=PICKLE,
        device=device,
    shell:
        "exec python -m lrp_domains genes explain {input.cohort:q} --model {input.model:q} {params.pickle}"
        " {params.columns} {params.target} {params.reference} {params.settings} {params.layer} --device {params.device}"
        " --out {output:q} > {log:q} 2>&1"


rule genes_rank:
    input:
        rules.genes_explain.output,
    output:
        cohort="results/genes/{cohort}/explained.h5ad",
        parquet="results/genes/{cohort}/genes.parquet",
        tsv="results/genes/{cohort}/genes.tsv",
        stability="results/genes/{cohort}/stability.tsv",
    log:
        "results/genes/{cohort}/logs/rank.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    params:
        wilcoxon=WILCOXON,
        settings=settings("training", "seed"),
        # Of an earlier ranking; the report would show them where curves are left out now.
        curves="results/genes/{cohort}/curves.tsv",
    shell:
        "rm -f {params.curves:q};"
        " exec python -m lrp_domains genes rank {input:q} --name {wildcards.cohort:q} {params.wilcoxon}"
        " {params.settings} --out {output.cohort:q} --table {output.parquet:q} --table {output.tsv:q}"
        " --stability {output.stability:q} > {log:q} 2>&1"


rule genes_curves:
    input:
        cohort=rules.genes_rank.output.cohort,
        table=rules.genes_rank.output.parquet,
        model=model_file,
    output:
        "results/genes/{cohort}/curves.tsv",
    log:
        "results/genes/{cohort}/logs/curves.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=config["gpu"],
    params:
        columns=cohort_options(gene_column="gene_ids"),
        seed=settings("training", "seed"),
        settings=settings("ranking", "most"),
        pickle=PICKLE,
        device=device,
    shell:
        "exec python -m lrp_domains genes curves {input.cohort:q} --model {input.model:q} {params.pickle}"
        " --table {input.table:q} {params.columns} {params.seed} {params.settings}"
        " --device {params.device} --out {output:q} > {log:q} 2>&1"


rule genes_consensus:
    input:
        expand(rules.genes_rank.output.parquet, cohort=COHORTS),
    output:
        consensus="results/genes/consensus.tsv",
        agreement="results/genes/agreement.tsv",
    log:
        "results/genes/logs/consensus.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    params:
        expected=" ".join(option("--expected", name) for name in COHORTS),
        direction=CONSENSUS_DIRECTION,
        settings=settings("consensus", "top", "least_cohorts"),
    shell:
        "exec python -m lrp_domains genes consensus {input:q} {params.expected} {params.direction} {params.settings}"
        " --out {output.consensus:q} --agreement {output.agreement:q} > {log:q} 2>&1"


rule genes_enrich:
    input:
        tables=expand(rules.genes_rank.output.parquet, cohort=COHORTS),
        gene_sets=config["genes"].get("gene_sets") or [],
    output:
        "results/genes/enrichment.tsv",
    log:
        "results/genes/logs/enrich.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    params:
        settings=settings("training", "seed"),
    shell:
        "exec python -m lrp_domains genes enrich {input.tables:q} --gene-sets {input.gene_sets:q} {params.settings}"
        " --out {output:q} > {log:q} 2>&1"


rule genes_report:
    input:
        cohorts=expand(rules.genes_rank.output.cohort, cohort=COHORTS),
        curves=expand(rules.genes_curves.output, cohort=COHORTS if CURVES else []),
        consensus=across("consensus", len(COHORTS) > 1),
        agreement=across("agreement", len(COHORTS) > 1),
        enrichment=across("enrichment", bool(config["genes"].get("gene_sets"))),
    output:
        GENE_REPORT,
    log:
        "results/genes/logs/report.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    params:
        folders=lambda wildcards, input: [
            os.path.dirname(path) for path in input.cohorts
        ],
        tables=lambda wildcards, input: " ".join(
            option(f"--{name}", "".join(input.get(name)))
            for name in ("consensus", "agreement", "enrichment")
        ),
        settings=settings("report", "title", "top"),
    shell:
        "exec python -m lrp_domains genes report {params.folders:q} {params.tables} {params.settings}"
        " --out {output:q} > {log:q} 2>&1"
