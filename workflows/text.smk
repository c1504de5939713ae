# Corpora of texts: check, explain in shards, gather, words of each class; then one report.


include: "text_common.smk"


wildcard_constraints:
    corpus="[A-Za-z0-9_][A-Za-z0-9_.-]*",
    shard="[0-9]+",
    shards="[0-9]+",


rule text_train_demo:
    output:
        directory(DEMO_MODEL),
    log:
        "<results>/text/logs/train_demo.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        version=RESULTS_VERSION,
        settings=text_settings("training", "seed"),
    shell:
        "exec python -P -m lrp_domains text train-demo {params.settings} --out {output:q} > {log:q} 2>&1"


rule text_check:
    input:
        corpus=corpus_file,
        model=text_model_folder,
    output:
        "<results>/text/{corpus}/check.json",
    log:
        "<results>/text/{corpus}/logs/check.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        version=RESULTS_VERSION,
        content=content_of_corpus,
        path=corpus_path,
        model=text_model,
        columns=corpus_options(
            text_column="text", second_column="second", label_column="label"
        ),
        head=text_head,
        target=text_target,
        settings=text_settings(
            "explanation",
            "score",
            "rules",
            "long",
            "long_text",
            "window",
            "stride",
            "on_error",
            "precision",
        ),
        consent=text_consent,
    shell:
        "exec python -P -m lrp_domains text check --model {params.model:q} {params.consent} {params.head}"
        " {params.columns} {params.target} {params.settings} --out {output:q} -- {params.path:q} > {log:q} 2>&1"


# Only for corpora that may be of several shards: Snakemake plans anew after each of these jobs.
checkpoint text_count:
    input:
        "<results>/text/{corpus}/check.json",
    output:
        "<results>/text/{corpus}/texts.json",
    log:
        "<results>/text/{corpus}/logs/count.log",
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


rule text_explain:
    input:
        corpus=corpus_file,
        model=text_model_folder,
        check="<results>/text/{corpus}/check.json",
    output:
        words=temp("<results>/text/{corpus}/shards/{shard}_of_{shards}.words.parquet"),
        texts=temp("<results>/text/{corpus}/shards/{shard}_of_{shards}.texts.parquet"),
    log:
        "<results>/text/{corpus}/logs/explain_{shard}_of_{shards}.log",
    benchmark:
        "<results>/text/{corpus}/benchmarks/explain_{shard}_of_{shards}.tsv"
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=config["gpu"],
        mem_mb=memory(6000),
        runtime=minutes(240),
    params:
        version=RESULTS_VERSION,
        content=content_of_corpus,
        path=corpus_path,
        model=text_model,
        columns=corpus_options(
            text_column="text", second_column="second", label_column="label"
        ),
        head=text_head,
        target=text_target,
        settings=text_settings(
            "explanation",
            "score",
            "rules",
            "long",
            "long_text",
            "window",
            "stride",
            "on_error",
            "batch_size",
            "precision",
            "compile",
        ),
        consent=text_consent,
        device=device,
    shell:
        "exec python -P -m lrp_domains text explain --file {params.path:q} --model {params.model:q} {params.consent}"
        " --check {input.check:q} {params.head} {params.columns} {params.target} {params.settings} --shard {wildcards.shard} --shards {wildcards.shards}"
        " --device {params.device} --out {output.words:q} --out-texts {output.texts:q} > {log:q} 2>&1"


rule text_gather:
    input:
        words=shards_of_corpus("words"),
        texts=shards_of_corpus("texts"),
    output:
        words=report(
            "<results>/text/{corpus}/words.parquet",
            caption="report/text_words.rst",
            category="Texts",
            subcategory="{corpus}",
            labels={"table": "words"},
        ),
        texts=report(
            "<results>/text/{corpus}/texts.parquet",
            caption="report/text_texts.rst",
            category="Texts",
            subcategory="{corpus}",
            labels={"table": "texts"},
        ),
    log:
        "<results>/text/{corpus}/logs/gather.log",
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
        "exec python -P -m lrp_domains text gather {input.words:q} {input.texts:q} --out {output.words:q}"
        " --out-texts {output.texts:q} > {log:q} 2>&1"


rule text_words:
    input:
        words="<results>/text/{corpus}/words.parquet",
        texts="<results>/text/{corpus}/texts.parquet",
    output:
        report(
            "<results>/text/{corpus}/class_words.tsv",
            caption="report/text_class_words.rst",
            category="Texts",
            subcategory="{corpus}",
            labels={"table": "words of classes"},
        ),
    log:
        "<results>/text/{corpus}/logs/words.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        version=RESULTS_VERSION,
        settings=text_settings("words", "top", "fewest"),
    shell:
        "exec python -P -m lrp_domains text words {input.words:q} --texts {input.texts:q} {params.settings}"
        " --out {output:q} > {log:q} 2>&1"


# Only if the configuration has evaluation.
rule text_compare:
    input:
        corpus=corpus_file,
        model=text_model_folder,
        check="<results>/text/{corpus}/check.json",
    output:
        table="<results>/text/{corpus}/comparison/comparison.tsv",
        curves="<results>/text/{corpus}/comparison/curves.tsv",
        samples="<results>/text/{corpus}/comparison/samples.parquet",
        page=report(
            "<results>/text/{corpus}/comparison/comparison.html",
            caption="report/text_comparison.rst",
            category="Texts",
            subcategory="{corpus}",
            labels={"table": "methods compared"},
        ),
    log:
        "<results>/text/{corpus}/logs/compare.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=config["gpu"],
        mem_mb=memory(6000),
        runtime=minutes(240),
    params:
        version=RESULTS_VERSION,
        content=content_of_corpus,
        path=corpus_path,
        model=text_model,
        columns=corpus_options(text_column="text", label_column="label"),
        head=text_head,
        methods=compared_of("text"),
        settings=text_settings("evaluation", "texts", "how", "reference", "seed"),
        consent=text_consent,
        device=device,
        folder=lambda wildcards, output: os.path.dirname(output.table),
    shell:
        "exec python -P -m lrp_domains text compare {params.path:q} --model {params.model:q} {params.consent}"
        " {params.head} {params.columns} {params.methods} {params.settings} --device {params.device}"
        " --out {params.folder:q} > {log:q} 2>&1"


rule text_report:
    input:
        texts=collect("<results>/text/{corpus}/texts.parquet", corpus=CORPORA),
        words=collect("<results>/text/{corpus}/words.parquet", corpus=CORPORA),
        classes=collect("<results>/text/{corpus}/class_words.tsv", corpus=CORPORA),
        comparisons=TEXT_COMPARISONS,
    output:
        report(
            TEXT_REPORT,
            caption="report/text_report.rst",
            category="Texts",
            subcategory="all corpora",
            labels={"table": "report"},
        ),
    log:
        "<results>/text/logs/report.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        folders=lambda wildcards, input: [os.path.dirname(path) for path in input.texts],
        settings=text_settings("report", "title", "top", "examples"),
        # Of an earlier run; the page would show it.
        outdated=lambda wildcards, input: [
            beside(path, "comparison/comparison.tsv")
            for path in input.texts
            if not TEXT_COMPARISONS
        ],
    shell:
        "rm -f {params.outdated:q};"
        " exec python -P -m lrp_domains text report {params.folders:q} {params.settings} --out {output:q} > {log:q} 2>&1"
