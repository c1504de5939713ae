# The sheet of cohorts, and what the rules of genes.smk ask of it.

import subprocess

COHORTS = read_sheet("genes", "cohorts", made="pbmc68k_reduced")

GENE_REPORT = "results/genes/report.html"


def cohort_file(wildcards):
    """Give a cohort's own file, or the one that its selected rows (or the demo cohort) are written to."""
    cohort = COHORTS[wildcards.cohort]
    if cohort["path"] == "pbmc68k_reduced" or "select" in cohort:
        return f"results/genes/{wildcards.cohort}/cohort.h5ad"
    return cohort["path"]


def model_file(wildcards):
    """Give the model of a cohort: its own, or the one that is trained on it."""
    model = COHORTS[wildcards.cohort]["model"]
    return f"results/genes/{wildcards.cohort}/model.pt" if model == "train" else model


cohort_options = options_of(COHORTS, "cohort")
settings = settings_of("genes")


def across(name, condition=True):
    """Give an input function for a table across cohorts, where there is one."""
    return [f"results/genes/{name}.tsv"] if condition else []


PICKLE = "--allow-pickle" if config["genes"]["allow_pickle"] else ""


def report_what_is_there():
    """After a failure, tell what the finished cohorts have in common, and who is missing and why."""
    done = [
        name
        for name in COHORTS
        if Path("results/genes", name, "genes.parquet").exists()
        and Path("results/genes", name, "explained.h5ad").exists()
    ]
    failed = []
    for name in sorted(set(COHORTS) - set(done)):
        logs = sorted(
            Path("results/genes", name, "logs").glob("*.log"), key=os.path.getmtime
        )
        lines = [line for log in logs for line in log.read_text().splitlines() if line]
        said = [line for line in lines if line.startswith("error:")] or lines[-1:]
        reason = said[-1].removeprefix("error: ") if said else "it was not started"
        failed.append((name, reason))
        print(f"Missing: {name}: {reason}", file=sys.stderr)
    if not done or not failed:
        return
    command = [sys.executable, "-m", "lrp_domains", "genes"]
    tables = {}
    if len(done) > 1:
        tables = {
            name: f"results/genes/{name}.tsv" for name in ("consensus", "agreement")
        }
        subprocess.run(
            [
                *command,
                "consensus",
                *[f"results/genes/{name}/genes.parquet" for name in done],
            ]
            + [part for name in COHORTS for part in ("--expected", name)]
            + ["--out", tables["consensus"], "--agreement", tables["agreement"]]
        )
    subprocess.run(
        [
            *command,
            "report",
            *[f"results/genes/{name}" for name in done],
            "--out",
            GENE_REPORT,
        ]
        + [part for name, path in tables.items() for part in (f"--{name}", path)]
        + [part for name, why in failed for part in ("--failed", f"{name}={why}")]
    )
    print(
        f"Report of the {len(done)} finished cohorts: {os.path.abspath(GENE_REPORT)}",
        file=sys.stderr,
    )
