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
        raise WorkflowError(
            f"cohort '{cohort['name']}': rare merges groups of fewer than least_cells cells; set least_cells too"
        )

CURVES = config["genes"]["ranking"]["curves"]

GENE_REPORT = "results/genes/report.html"
REPORTS.append(GENE_REPORT)


def is_rewritten(cohort):
    """Return whether a cohort is written to a file first: some of its cells, or a format that is only read whole."""
    return not cohort["path"].endswith((".h5ad", ".zarr", ".zarr/")) or any(
        name in cohort for name in ("select", "obs", "least_cells")
    )


def cohort_file(wildcards):
    """Return a cohort's file, or the one that it is rewritten to."""
    cohort = COHORTS[wildcards.cohort]
    if is_rewritten(cohort):
        return f"results/genes/{wildcards.cohort}/cohort.h5ad"
    return cohort["path"]


def model_file(wildcards):
    """Return the model of a cohort: the one that its row names, or the one that is trained on it."""
    model = COHORTS[wildcards.cohort]["model"]
    return f"results/genes/{wildcards.cohort}/model.pt" if model == "train" else model


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
    return [f"results/genes/{name}.tsv"] if condition else []


PICKLE = "--allow-pickle" if config["genes"]["allow_pickle"] else ""

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

# After a failure: consensus and report of the finished cohorts, and why others are missing.
REPORT_OF_FINISHED_COHORTS = " ".join(
    [
        f"{shlex.quote(sys.executable)} -m lrp_domains genes report --missing-ok",
        *[shlex.quote(f"results/genes/{name}") for name in COHORTS],
        option("--out", GENE_REPORT),
        settings("report", "title", "top"),
        option("--consensus-top", config["genes"]["consensus"].get("top")),
        settings("consensus", "least_cohorts"),
        CONSENSUS_DIRECTION,
        "|| true",
    ]
)
