# Across cohorts: consensus, enrichment, a page per cohort, and the report that links to them.


rule genes_consensus:
    input:
        collect("<results>/genes/{cohort}/genes.parquet", cohort=COHORTS),
    output:
        consensus=report(
            "<results>/genes/consensus.tsv",
            caption="report/genes_consensus.rst",
            category="Genes",
            subcategory="all cohorts",
            labels={"table": "consensus"},
        ),
        agreement=report(
            "<results>/genes/agreement.tsv",
            caption="report/genes_agreement.rst",
            category="Genes",
            subcategory="all cohorts",
            labels={"table": "agreement"},
        ),
    log:
        "<results>/genes/logs/consensus.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(3000),
        runtime=minutes(120),
    params:
        version=RESULTS_VERSION,
        expected=" ".join(option("--expected", name) for name in COHORTS),
        direction=CONSENSUS_DIRECTION,
        settings=settings("consensus", "top", "least_cohorts"),
    shell:
        "exec python -P -m lrp_domains genes consensus {input:q} {params.expected} {params.direction} {params.settings}"
        " --out {output.consensus:q} --agreement {output.agreement:q} > {log:q} 2>&1"


rule genes_enrich:
    input:
        tables=collect("<results>/genes/{cohort}/genes.parquet", cohort=COHORTS),
        gene_sets=lambda wildcards: config["genes"].get("gene_sets") or [],
    output:
        report(
            "<results>/genes/enrichment.tsv",
            caption="report/genes_enrichment.rst",
            category="Genes",
            subcategory="all cohorts",
            labels={"table": "enriched gene sets"},
        ),
    log:
        "<results>/genes/logs/enrich.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(3000),
        runtime=minutes(240),
    params:
        version=RESULTS_VERSION,
        settings=settings("training", "seed"),
    shell:
        "exec python -P -m lrp_domains genes enrich {input.tables:q} --gene-sets {input.gene_sets:q} {params.settings}"
        " --out {output:q} > {log:q} 2>&1"


rule genes_page:
    input:
        unpack(results_of_cohort),
    output:
        report(
            "<results>/genes/{cohort}/report.html",
            caption="report/genes_page.rst",
            category="Genes",
            subcategory="{cohort}",
            labels={"table": "report"},
        ),
    log:
        "<results>/genes/{cohort}/logs/page.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        version=RESULTS_VERSION,
        folder=lambda wildcards, input: os.path.dirname(input.cohort),
        settings=settings("report", "top"),
        outdated=lambda wildcards, input: outdated_results([input.cohort]),
    shell:
        "rm -f {params.outdated:q};"
        " exec python -P -m lrp_domains genes page {params.settings} --out {output:q} -- {params.folder:q} > {log:q} 2>&1"


# The report of one cohort is its page; of several, an index that links to their pages.
rule genes_report:
    input:
        cohorts=collect("<results>/genes/{cohort}/explained.h5ad", cohort=COHORTS),
        tables=collect("<results>/genes/{cohort}/genes.parquet", cohort=COHORTS),
        performance=collect("<results>/genes/{cohort}/performance.tsv", cohort=TRAINED),
        curves=collect(
            "<results>/genes/{cohort}/curves.tsv", cohort=COHORTS if CURVES else []
        ),
        stability=collect("<results>/genes/{cohort}/stability.tsv", cohort=COHORTS),
        comparisons=collect(
            "<results>/genes/{cohort}/comparison/comparison.tsv", cohort=COMPARED
        ),
        pages=collect(
            "<results>/genes/{cohort}/report.html",
            cohort=COHORTS if len(COHORTS) > 1 else [],
        ),
        consensus=across("consensus", len(COHORTS) > 1),
        agreement=across("agreement", len(COHORTS) > 1),
        enrichment=across("enrichment", bool(config["genes"].get("gene_sets"))),
    output:
        report(
            GENE_REPORT,
            caption="report/genes_report.rst",
            category="Genes",
            subcategory="all cohorts",
            labels={"table": "report"},
        ),
    log:
        "<results>/genes/logs/report.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=minutes(120),
    params:
        version=RESULTS_VERSION,
        folders=lambda wildcards, input: [
            os.path.dirname(path) for path in input.cohorts
        ],
        across=lambda wildcards, input: " ".join(
            option(f"--{name}", "".join(input.get(name)))
            for name in ("consensus", "agreement", "enrichment")
        ),
        settings=settings("report", "title", "top"),
        outdated=lambda wildcards, input, output: [
            beside(output[0], "report.partial.html"),
            *outdated_results(input.cohorts),
        ],
    shell:
        "rm -f {params.outdated:q};"
        " exec python -P -m lrp_domains genes report --no-pages {params.across} {params.settings} --out {output:q}"
        " -- {params.folders:q} > {log:q} 2>&1"
