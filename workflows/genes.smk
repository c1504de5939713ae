# Cohorts of cells or patients: select, check, train out of fold, explain, rank, curves; then what is across cohorts.


include: "genes_common.smk"


wildcard_constraints:
    cohort="[A-Za-z0-9_][A-Za-z0-9_.-]*",
    shard="[0-9]+",
    shards="[0-9]+",


rule genes_select:
    input:
        unpack(original_files),
    output:
        "<results>/genes/{cohort}/cohort.h5ad",
    log:
        "<results>/genes/{cohort}/logs/select.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(1500, per_mb=6),
        runtime=minutes(30),
    params:
        version=RESULTS_VERSION,
        content=content_of_cohort,
        path=lambda wildcards, input: input.get("cohort", "pbmc68k_reduced"),
        obs=lambda wildcards, input: option("--obs", input.get("obs")),
        columns=cohort_options(
            where="select",
            labels="labels",
            least_cells="least_cells",
            rare="rare",
        ),
    shell:
        "exec python -P -m lrp_domains genes select {params.obs} {params.columns} --out {output:q}"
        " -- {params.path:q} > {log:q} 2>&1"


rule genes_check:
    input:
        cohort=cohort_file,
        model=named_model,
    output:
        "<results>/genes/{cohort}/check.json",
    log:
        "<results>/genes/{cohort}/logs/check.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(1500),
        runtime=minutes(30),
    params:
        version=RESULTS_VERSION,
        content=content_of_cohort,
        content_of_model=content_of_model,
        model=lambda wildcards, input: option("--model", first(input.get("model"))),
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
        explanation=settings("explanation", "against", "score", "rules", "precision"),
        training=settings("training", *TRAINING),
        wilcoxon=WILCOXON,
        consent=genes_consent,
    shell:
        "exec python -P -m lrp_domains genes check {params.model} {params.consent} {params.columns}"
        " {params.target} {params.reference} {params.explanation} {params.training} {params.wilcoxon} --device cpu"
        " --out {output:q} -- {input.cohort:q} > {log:q} 2>&1"


# Only for cohorts whose number of cells isn't known before they are read: Snakemake plans anew after each of these jobs.
checkpoint genes_count:
    input:
        "<results>/genes/{cohort}/check.json",
    output:
        "<results>/genes/{cohort}/cells.json",
    log:
        "<results>/genes/{cohort}/logs/count.log",
    localrule: True
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=100,
        runtime=5,
    shell:
        "cp {input:q} {output:q} 2> {log:q}"


# The check comes first, but what it covers beyond training is no reason to train again.
rule genes_train:
    input:
        cohort=cohort_file,
        check=ancient("<results>/genes/{cohort}/check.json"),
    output:
        model="<results>/genes/{cohort}/model.pt",
        performance=report(
            "<results>/genes/{cohort}/performance.tsv",
            caption="report/genes_performance.rst",
            category="Genes",
            subcategory="{cohort}",
            labels={"table": "performance"},
        ),
    log:
        "<results>/genes/{cohort}/logs/train.log",
    benchmark:
        "<results>/genes/{cohort}/benchmarks/train.tsv"
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=config["gpu"],
        mem_mb=memory(2000, per_mb=8),
        runtime=minutes(240),
    params:
        version=RESULTS_VERSION,
        content=content_of_cohort,
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
        "exec python -P -m lrp_domains genes train --check {input.check:q} {params.columns} {params.settings}"
        " --device {params.device} --out {output.model:q} --performance {output.performance:q} -- {input.cohort:q}"
        " > {log:q} 2>&1"


rule genes_explain:
    input:
        cohort=cohort_file,
        model=model_file,
        check="<results>/genes/{cohort}/check.json",
    output:
        temp("<results>/genes/{cohort}/relevance.h5ad"),
    log:
        "<results>/genes/{cohort}/logs/explain.log",
    benchmark:
        "<results>/genes/{cohort}/benchmarks/explain.tsv"
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=config["gpu"],
        mem_mb=memory(3000),
        runtime=minutes(240),
    params:
        version=RESULTS_VERSION,
        content=content_of_cohort,
        content_of_model=content_of_model,
        model=lambda wildcards, input: first(input.model),
        columns=cohort_options(groupby="groupby", donor="donor", gene_column="gene_ids"),
        target=cohort_or_setting("target"),
        reference=cohort_or_setting("reference"),
        settings=settings(
            "explanation",
            "against",
            "score",
            "rules",
            "top",
            "batch_size",
            "precision",
            "compile",
        ),
        layer="--layer" if config["genes"]["explanation"]["layer"] else "--no-layer",
        consent=genes_consent,
        device=device,
        shard="",
    shell:
        "exec python -P -m lrp_domains genes explain --model {params.model:q} {params.consent} --check {input.check:q}"
        " {params.columns} {params.target} {params.reference} {params.settings} {params.layer} --device {params.device}"
        " {params.shard} --out {output:q} -- {input.cohort:q} > {log:q} 2>&1"


# A cohort of many cells is explained in several jobs, each of which explains some of its cells.
use rule genes_explain as genes_explain_shard with:
    output:
        temp(directory("<results>/genes/{cohort}/shards/{shard}_of_{shards}")),
    log:
        "<results>/genes/{cohort}/logs/explain_{shard}_of_{shards}.log",
    benchmark:
        "<results>/genes/{cohort}/benchmarks/explain_{shard}_of_{shards}.tsv"
    params:
        shard=lambda wildcards: f"--shard {wildcards.shard} --shards {wildcards.shards}",


rule genes_gather:
    input:
        cohort=cohort_file,
        shards=shards_of_cohort,
        check="<results>/genes/{cohort}/check.json",
    output:
        temp("<results>/genes/{cohort}/gathered.h5ad"),
    log:
        "<results>/genes/{cohort}/logs/gather.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(3000),
        runtime=minutes(120),
    shell:
        "exec python -P -m lrp_domains genes gather --cohort {input.cohort:q} --check {input.check:q} --out {output:q}"
        " -- {input.shards:q} > {log:q} 2>&1"


rule genes_rank:
    input:
        explained_file,
    output:
        cohort="<results>/genes/{cohort}/explained.h5ad",
        parquet="<results>/genes/{cohort}/genes.parquet",
        tsv=report(
            "<results>/genes/{cohort}/genes.tsv",
            caption="report/genes_ranked.rst",
            category="Genes",
            subcategory="{cohort}",
            labels={"table": "ranked genes"},
        ),
        stability=report(
            "<results>/genes/{cohort}/stability.tsv",
            caption="report/genes_stability.rst",
            category="Genes",
            subcategory="{cohort}",
            labels={"table": "stability"},
        ),
    log:
        "<results>/genes/{cohort}/logs/rank.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(1500, per_mb=2, most=5000),
        runtime=minutes(120),
    params:
        version=RESULTS_VERSION,
        wilcoxon=WILCOXON,
        settings=settings("training", "seed"),
        order=settings("ranking", "order"),
        # Of an earlier run with other settings; the page would show them.
        outdated=lambda wildcards, output: [
            beside(output.cohort, "curves.tsv"),
            *(
                [beside(output.cohort, "performance.tsv")]
                if wildcards.cohort not in TRAINED
                else []
            ),
        ],
    shell:
        "rm -f {params.outdated:q};"
        " exec python -P -m lrp_domains genes rank {input:q} --name={wildcards.cohort:q} {params.wilcoxon}"
        " {params.settings} {params.order} --out {output.cohort:q} --table {output.parquet:q} --table {output.tsv:q}"
        " --stability {output.stability:q} > {log:q} 2>&1"


rule genes_curves:
    input:
        cohort="<results>/genes/{cohort}/explained.h5ad",
        table="<results>/genes/{cohort}/genes.parquet",
        model=model_file,
        check="<results>/genes/{cohort}/check.json",
    output:
        report(
            "<results>/genes/{cohort}/curves.tsv",
            caption="report/genes_curves.rst",
            category="Genes",
            subcategory="{cohort}",
            labels={"table": "deletion and insertion"},
        ),
    log:
        "<results>/genes/{cohort}/logs/curves.log",
    benchmark:
        "<results>/genes/{cohort}/benchmarks/curves.tsv"
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=config["gpu"],
        mem_mb=memory(2000),
        runtime=minutes(120),
    params:
        version=RESULTS_VERSION,
        model=lambda wildcards, input: first(input.model),
        columns=cohort_options(gene_column="gene_ids"),
        seed=settings("training", "seed"),
        settings=settings("ranking", "most"),
        consent=genes_consent,
        device=device,
    shell:
        "exec python -P -m lrp_domains genes curves {input.cohort:q} --model {params.model:q} {params.consent}"
        " --check {input.check:q} --table {input.table:q} {params.columns} {params.seed} {params.settings}"
        " --device {params.device} --out {output:q} > {log:q} 2>&1"


include: "genes_compare.smk"
include: "genes_across.smk"
