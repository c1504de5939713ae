# The sheet of cohorts, and functions of its rows for the rules of genes.smk.

COHORTS = read_sheet("genes", "cohorts", made="pbmc68k_reduced")

# Groups of too few cells are dropped as the sheet's row says, or else as the settings do.
RARE = {
    name: value
    for name in ("least_cells", "rare")
    if (value := config["genes"]["training"].get(name)) is not None
}
FDR = config["genes"]["training"].get("fdr")
for cohort in COHORTS.values():
    if cohort["model"] == "train" and FDR is not None:
        cohort |= {"fdr": FDR} | cohort
    if cohort["model"] == "train" and cohort["task"] == "classes":
        cohort |= RARE | cohort
    if "rare" in cohort and "least_cells" not in cohort:
        raise Mistakes(
            f"cohort '{cohort['name']}': rare merges groups of fewer than least_cells cells; set least_cells too"
        )

# Whether all files that the sheet names are here from the start.
EXIST = config["genes"]["cohorts_exist"]

CURVES = config["genes"]["ranking"]["curves"]
TRAINED = [name for name, cohort in COHORTS.items() if cohort["model"] == "train"]

GENE_REPORT = "<results>/genes/report.html"
REPORTS.append(GENE_REPORT)
# Methods are compared on each cohort if the configuration asks for it.
COMPARED = COHORTS if "evaluation" in config["genes"] else {}
REPORTS.extend(
    f"<results>/genes/{name}/comparison/comparison.html" for name in COMPARED
)

DEMO_COHORT = "pbmc68k_reduced"  # which comes with scanpy


def is_rewritten(cohort):
    """Return whether a cohort is written to a file first: some of its cells, or a format that is only read whole."""
    return not cohort["path"].endswith((".h5ad", ".zarr", ".zarr/")) or any(
        name in cohort for name in ("select", "obs", "least_cells")
    )


def original_files(wildcards):
    """Return the files that some cells are selected from: the cohort, and a table to add to its obs."""
    cohort = COHORTS[wildcards.cohort]
    names = {"cohort": "path", "obs": "obs"}
    files = {name: cohort[column] for name, column in names.items() if column in cohort}
    return {name: path for name, path in files.items() if path != DEMO_COHORT}


def cohort_file(wildcards):
    """Return a cohort's file, or the one that it is rewritten to."""
    cohort = COHORTS[wildcards.cohort]
    if is_rewritten(cohort):
        return f"<results>/genes/{wildcards.cohort}/cohort.h5ad"
    return cohort["path"]


def named_model(wildcards):
    """Return the files of the model that a cohort's row names: the model, then what its declaration names."""
    model = COHORTS[wildcards.cohort]["model"]
    return [] if model == "train" else [model, *files_of_declaration(model, EXIST)]


def model_file(wildcards):
    """Return the files of a cohort's model: those that its row names, or the model that is trained on it."""
    trained = f"<results>/genes/{wildcards.cohort}/model.pt"
    return named_model(wildcards) or [trained]


def content_of_cohort(wildcards):
    """Return the state of a cohort's files, if no rule makes them."""
    return [state_of(path) for path in original_files(wildcards).values()] * EXIST


def content_of_model(wildcards):
    """Return the state of the files of the model that a cohort's row names, if no rule makes them."""
    return [state_of(path) for path in named_model(wildcards)] * EXIST


def number_of_shards(wildcards):
    """Return in how many jobs a cohort is explained: one per `shard_cells` cells."""
    cohort = COHORTS[wildcards.cohort]
    shard = config["genes"]["explanation"]["shard_cells"]
    cells = cells_of_file(cohort["path"])
    if cells is None or (cells > shard and is_rewritten(cohort)):
        check = checkpoints.genes_count.get(cohort=wildcards.cohort).output[0]
        cells = json.loads(Path(check).read_text())["cells"]
    return max(1, -(-cells // shard))


@functools.cache
def cells_of_file(path):
    """Return the number of cells of an .h5ad file or of the demo cohort; None if only reading the file tells."""
    if path == DEMO_COHORT:
        return 700
    try:
        import h5py

        with h5py.File(path) as file:
            index = file["obs"].attrs["_index"]
            return file["obs"][index].shape[0]
    except (ImportError, OSError, KeyError):
        return None


def shards_of_cohort(wildcards):
    """Return the explained shards of a cohort."""
    shards = number_of_shards(wildcards)
    folder = f"<results>/genes/{wildcards.cohort}/shards"
    return [f"{folder}/{shard}_of_{shards}" for shard in range(1, shards + 1)]


def explained_file(wildcards):
    """Return the explained cohort, gathered from its shards if it has several."""
    name = "relevance" if number_of_shards(wildcards) == 1 else "gathered"
    return f"<results>/genes/{wildcards.cohort}/{name}.h5ad"


def results_of_cohort(wildcards):
    """Return what a cohort's page shows."""
    names = {"cohort": "explained.h5ad", "table": "genes.parquet", "tsv": "genes.tsv"}
    names |= {"stability": "stability.tsv"}
    names |= {"performance": "performance.tsv"} if wildcards.cohort in TRAINED else {}
    names |= {"curves": "curves.tsv"} if CURVES else {}
    names |= {"comparison": "comparison/comparison.tsv"} if COMPARED else {}
    folder = f"<results>/genes/{wildcards.cohort}"
    return {key: f"{folder}/{name}" for key, name in names.items()}


def outdated_results(cohorts):
    """Return what an earlier run has left beside explained cohorts, if it isn't asked for; pages would show it."""
    names = [] if CURVES else ["curves.tsv"]
    names += [] if COMPARED else ["comparison/comparison.tsv"]
    return [beside(cohort, name) for cohort in cohorts for name in names]


cohort_options = options_of(COHORTS, "cohort")
settings = settings_of("genes")


def cohort_or_setting(name):
    """Return a function that makes an option of explaining: from the sheet's row, or else from the settings."""
    default = config["genes"]["explanation"].get(name)
    return lambda wildcards: option(
        f"--{name}", COHORTS[wildcards.cohort].get(name, default)
    )


def across(name, condition=True):
    """Return the path of a table across cohorts, if there is one."""
    return [f"<results>/genes/{name}.tsv"] if condition else []


# Whether the code in models' files may be executed.
genes_consent = consent("genes", "allow_pickle", "allow_code")

WILCOXON = "--wilcoxon" if config["genes"]["ranking"]["wilcoxon"] else "--no-wilcoxon"

# The settings of training that are options of `genes train`.
TRAINING = (
    "network",
    "folds",
    "members",
    "seed",
    "hidden",
    "input_dropout",
    "epochs",
    "patience",
    "decoys",
)

CONSENSUS_DIRECTION = (
    "--direction" if config["genes"]["consensus"]["direction"] else "--no-direction"
)

# After a failure: a report of the finished cohorts, and why others are missing. No rule makes it, so that the next run
# makes the report of all cohorts.
PARTIAL_REPORT = " ".join(
    [
        f"{shlex.quote(sys.executable)} -P -m lrp_domains genes report --missing-ok",
        option("--out", f"{RESULTS}/genes/report.partial.html"),
        settings("report", "title", "top")(None),
        option("--consensus-top", config["genes"]["consensus"].get("top")),
        settings("consensus", "least_cohorts")(None),
        CONSENSUS_DIRECTION,
        option("--gene-sets", config["genes"].get("gene_sets")),
        settings("training", "seed")(None) if config["genes"].get("gene_sets") else "",
        "--",
        *[shlex.quote(f"{RESULTS}/genes/{name}") for name in COHORTS],
    ]
)
