# Methods of explanation compared on each cohort.


# Only if the configuration has evaluation.
rule genes_compare:
    input:
        cohort=cohort_file,
        model=model_file,
        check="<results>/genes/{cohort}/check.json",
    output:
        table="<results>/genes/{cohort}/comparison/comparison.tsv",
        curves="<results>/genes/{cohort}/comparison/curves.tsv",
        samples="<results>/genes/{cohort}/comparison/samples.parquet",
        page=report(
            "<results>/genes/{cohort}/comparison/comparison.html",
            caption="report/genes_comparison.rst",
            category="Genes",
            subcategory="{cohort}",
            labels={"table": "methods compared"},
        ),
    log:
        "<results>/genes/{cohort}/logs/compare.log",
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
        columns=cohort_options(gene_column="gene_ids", groupby="groupby"),
        methods=compared_of("genes"),
        settings=settings("evaluation", "cells", "how", "seed"),
        consent=genes_consent,
        device=device,
        folder=lambda wildcards, output: os.path.dirname(output.table),
    shell:
        "exec python -P -m lrp_domains genes compare {input.cohort:q} --model {params.model:q} {params.consent}"
        " {params.columns} {params.methods} {params.settings} --device {params.device} --out {params.folder:q}"
        " > {log:q} 2>&1"
