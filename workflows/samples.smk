# Pictures and sequences: check, explain in shards, gather; then one report per domain. The rules are the same for both.


include: "samples_common.smk"


wildcard_constraints:
    domain="|".join(SAMPLE_SHEETS),
    collection="[A-Za-z0-9_][A-Za-z0-9_.-]*",
    shard="[0-9]+",
    shards="[0-9]+",


rule samples_train_demo:
    output:
        directory("<results>/{domain}/demo_models"),
    log:
        "<results>/{domain}/logs/train_demo.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(3000),
        runtime=minutes(30),
    params:
        version=RESULTS_VERSION,
        settings=sample_settings("training"),
    shell:
        "exec python -P -m lrp_domains {wildcards.domain} train-demo {params.settings} --out {output:q} > {log:q} 2>&1"


rule samples_check:
    input:
        samples=sample_file,
        genome=sample_genome,
        model=sample_model_files,
        named=files_named_by_model,
    output:
        "<results>/{domain}/{collection}/check.json",
    log:
        "<results>/{domain}/{collection}/logs/check.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        version=RESULTS_VERSION,
        content=content_of_collection,
        path=sample_path,
        model=sample_model,
        columns=sample_columns,
        settings=sample_settings("explanation"),
        asked=asked_of_check,
        consent=sample_consent,
    shell:
        "exec python -P -m lrp_domains {wildcards.domain} check --model {params.model:q} {params.consent}"
        " {params.columns} {params.settings} {params.asked} --out {output:q} -- {params.path:q} > {log:q} 2>&1"


# Only for collections that may be of several shards: Snakemake plans anew after each of these jobs.
checkpoint samples_count:
    input:
        "<results>/{domain}/{collection}/check.json",
    output:
        "<results>/{domain}/{collection}/samples.json",
    log:
        "<results>/{domain}/{collection}/logs/count.log",
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


rule samples_explain:
    input:
        samples=sample_file,
        genome=sample_genome,
        model=sample_model_files,
        named=files_named_by_model,
        check="<results>/{domain}/{collection}/check.json",
    output:
        table=temp("<results>/{domain}/{collection}/shards/{shard}_of_{shards}.parquet"),
        arrays=temp("<results>/{domain}/{collection}/shards/{shard}_of_{shards}.npz"),
    log:
        "<results>/{domain}/{collection}/logs/explain_{shard}_of_{shards}.log",
    benchmark:
        "<results>/{domain}/{collection}/benchmarks/explain_{shard}_of_{shards}.tsv"
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=config["gpu"],
        mem_mb=memory(6000),
        runtime=minutes(240),
    params:
        version=RESULTS_VERSION,
        content=content_of_collection,
        path=sample_path,
        model=sample_model,
        columns=sample_columns,
        settings=sample_settings("explanation"),
        batch=sample_settings("explanation", only=("batch_size",)),
        consent=sample_consent,
        device=device,
    shell:
        "exec python -P -m lrp_domains {wildcards.domain} explain --model {params.model:q} {params.consent}"
        " {params.columns} {params.settings} {params.batch} --check {input.check:q}"
        " --shard {wildcards.shard} --shards {wildcards.shards} --device {params.device}"
        " --out {output.table:q} -- {params.path:q} > {log:q} 2>&1"


rule samples_gather:
    input:
        tables=shards_of_collection("parquet"),
        arrays=shards_of_collection("npz"),
    output:
        table=report(
            "<results>/{domain}/{collection}/explained.parquet",
            caption="report/samples_explained.rst",
            category="{domain}",
            subcategory="{collection}",
            labels={"table": "explained"},
        ),
        arrays="<results>/{domain}/{collection}/explained.npz",
    log:
        "<results>/{domain}/{collection}/logs/gather.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        version=RESULTS_VERSION,
    shell:
        "exec python -P -m lrp_domains {wildcards.domain} gather {input.tables:q} --out {output.table:q} > {log:q} 2>&1"


rule samples_report:
    input:
        tables=explained_collections("parquet"),
        arrays=explained_collections("npz"),
    output:
        report(
            "<results>/{domain}/report.html",
            caption="report/samples_report.rst",
            category="{domain}",
            subcategory="all collections",
            labels={"table": "report"},
        ),
    log:
        "<results>/{domain}/logs/report.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        folders=lambda wildcards, input: [
            os.path.dirname(path) for path in input.tables
        ],
        settings=sample_settings("report"),
    shell:
        "exec python -P -m lrp_domains {wildcards.domain} report {params.folders:q} {params.settings} --out {output:q}"
        " > {log:q} 2>&1"
