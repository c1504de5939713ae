# Corpora of texts: check, explain in shards, gather, words of each class; then one report.


include: "text_common.smk"


wildcard_constraints:
    corpus="[A-Za-z0-9_-]+",
    shard="[0-9]+",


rule text_train_demo:
    output:
        directory(DEMO_MODEL),
    log:
        "results/text/logs/train_demo.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    params:
        settings=text_settings("training", "seed"),
    shell:
        "exec python -m lrp_domains text train-demo {params.settings} --out {output:q} > {log:q} 2>&1"


rule text_check:
    input:
        corpus=corpus_file,
        model=text_model_folder,
    output:
        "results/text/{corpus}/check.json",
    log:
        "results/text/{corpus}/logs/check.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    params:
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
        ),
    shell:
        "exec python -m lrp_domains text check {params.path:q} --model {params.model:q} {params.head}"
        " {params.columns} {params.target} {params.settings} --out {output:q} > {log:q} 2>&1"


rule text_explain:
    input:
        corpus=corpus_file,
        model=text_model_folder,
        check=rules.text_check.output,
    output:
        words=temp("results/text/{corpus}/shards/{shard}.words.parquet"),
        texts=temp("results/text/{corpus}/shards/{shard}.texts.parquet"),
    log:
        "results/text/{corpus}/logs/explain_{shard}.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=config["gpu"],
    params:
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
            "shards",
        ),
        device=device,
    shell:
        "exec python -m lrp_domains text explain --file {params.path:q} --model {params.model:q} {params.head}"
        " {params.columns} {params.target} {params.settings} --shard {wildcards.shard} --device {params.device}"
        " --out {output.words:q} --out-texts {output.texts:q} > {log:q} 2>&1"


rule text_gather:
    input:
        words=expand(
            "results/text/{{corpus}}/shards/{shard}.words.parquet",
            shard=range(1, config["text"]["explanation"]["shards"] + 1),
        ),
        texts=expand(
            "results/text/{{corpus}}/shards/{shard}.texts.parquet",
            shard=range(1, config["text"]["explanation"]["shards"] + 1),
        ),
    output:
        words="results/text/{corpus}/words.parquet",
        texts="results/text/{corpus}/texts.parquet",
    log:
        "results/text/{corpus}/logs/gather.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    shell:
        "(python -m lrp_domains text gather {input.words:q} --out {output.words:q}"
        " && python -m lrp_domains text gather {input.texts:q} --out {output.texts:q}) > {log:q} 2>&1"


rule text_words:
    input:
        words=rules.text_gather.output.words,
        texts=rules.text_gather.output.texts,
    output:
        "results/text/{corpus}/class_words.tsv",
    log:
        "results/text/{corpus}/logs/words.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    params:
        settings=text_settings("words", "top", "fewest"),
    shell:
        "exec python -m lrp_domains text words {input.words:q} --texts {input.texts:q} {params.settings}"
        " --out {output:q} > {log:q} 2>&1"


rule text_report:
    input:
        texts=expand(rules.text_gather.output.texts, corpus=CORPORA),
        words=expand(rules.text_gather.output.words, corpus=CORPORA),
        classes=expand(rules.text_words.output, corpus=CORPORA),
    output:
        TEXT_REPORT,
    log:
        "results/text/logs/report.log",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
    params:
        folders=lambda wildcards, input: [os.path.dirname(path) for path in input.texts],
        settings=text_settings("report", "title", "top", "examples"),
    shell:
        "exec python -m lrp_domains text report {params.folders:q} {params.settings} --out {output:q} > {log:q} 2>&1"
