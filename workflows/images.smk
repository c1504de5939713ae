# Sets of pictures: the rules are those of samples.smk, and segments of the sets that name masks.

SAMPLE_SHEETS["images"] = read_sheet("images", "picture_sets", made="demo")
REPORTS.append("<results>/images/report.html")
REPORTS.extend(
    f"<results>/images/{name}/segments.tsv"
    for name, row in SAMPLE_SHEETS["images"].items()
    if "mask_column" in row
)


rule images_segments:
    input:
        table="<results>/images/{collection}/explained.parquet",
        arrays="<results>/images/{collection}/explained.npz",
    output:
        report(
            "<results>/images/{collection}/segments.tsv",
            caption="report/images_segments.rst",
            category="images",
            subcategory="{collection}",
            labels={"table": "segments"},
        ),
    log:
        "<results>/images/{collection}/logs/segments.log",
    wildcard_constraints:
        collection="[A-Za-z0-9_][A-Za-z0-9_.-]*",
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
        "exec python -P -m lrp_domains images segments --out {output:q} -- {input.table:q} > {log:q} 2>&1"
