# Sets of DNA and protein sequences: the rules are those of samples.smk, and tracks of the sets that ask for them.


include: "sequences_common.smk"


SAMPLE_SHEETS["sequences"] = read_sheet("sequences", "sequence_sets", made="demo")
REPORTS.append("<results>/sequences/report.html")
REPORTS.extend(
    f"<results>/sequences/{name}/tracks"
    for name, row in SAMPLE_SHEETS["sequences"].items()
    if "true" in (row.get("bigwig"), row.get("modisco"))
)


rule sequences_tracks:
    input:
        table="<results>/sequences/{collection}/explained.parquet",
        arrays="<results>/sequences/{collection}/explained.npz",
        genome=genome_of_track,
    output:
        directory("<results>/sequences/{collection}/tracks"),
    log:
        "<results>/sequences/{collection}/logs/tracks.log",
    wildcard_constraints:
        collection="[A-Za-z0-9_][A-Za-z0-9_.-]*",
    conda:
        "envs/lrp.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=memory(3000),
        runtime=minutes(120),
    params:
        version=RESULTS_VERSION,
        written=written_tracks,
    shell:
        "exec python -P -m lrp_domains sequences tracks {params.written} -- {input.table:q} > {log:q} 2>&1"
