"""CPU time and memory of each command on small data: ``python -m benchmarks.start_up [--before FOLDER]``.

FOLDER is a checkout of an earlier version, whose commands take turns with those of this one. Networks are trained for a
few epochs only, so that nearly all of the time is the start: importing, and what libraries prepare at their first use.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from lrp_domains.demos.text import read_demo
from lrp_domains.genes import made_cohort, write_cohort

from .measure import write

HERE = Path(__file__).parents[1]
# Runs a command and prints the CPU time and peak memory of its process, whose VmHWM (unlike ru_maxrss) is its own.
MEASURED = """
import atexit, json, re, runpy, sys, time

def measure():
    peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())
    print("\\n" + json.dumps([time.process_time(), int(peak[1]) / 1024]))

atexit.register(measure)
sys.argv[0] = "lrp-domains"
runpy.run_module("lrp_domains", run_name="__main__")
"""


def commands(folder: Path) -> dict[str, list[object]]:
    """Write a cohort and a corpus to a folder; return the commands in an order in which each finds its inputs."""
    write_cohort(made_cohort(), folder / "cohort.h5ad")
    read_demo().head(40).to_csv(folder / "corpus.tsv", sep="\t", index=False)
    genes = made_cohort().var_names
    (folder / "sets.gmt").write_text("\n".join(f"{i}\tx\t" + "\t".join(genes[i : i + 20]) for i in (0, 20)))
    one, two, text = folder / "one", folder / "two", folder / "text"
    for path in (one, two, text):
        path.mkdir()
    cohort, check, model = folder / "cohort.h5ad", one / "check.json", one / "model.pt"
    trained = ["--labels", "group", "--folds", 3]
    outputs = ["--out", model, "--performance", one / "performance.tsv"]
    across = {name: folder / f"{name}.tsv" for name in ("consensus", "agreement", "enrichment")}
    agreement = across["agreement"]
    tables = [one / "genes.parquet", two / "genes.parquet"]
    relevance = one / "relevance.h5ad"

    def rank(out: Path) -> list[object]:
        files = {"out": "explained.h5ad", "table": "genes.parquet", "stability": "stability.tsv"}
        options = [part for name, file in files.items() for part in (f"--{name}", out / file)]
        return ["genes", "rank", relevance, "--name", out.name, *options]

    reported = [part for name, path in across.items() for part in (f"--{name}", path)]
    corpus, network = folder / "corpus.tsv", folder / "network"
    words, texts = text / "words.parquet", text / "texts.parquet"
    out_texts = ["--out-texts", folder / "1.texts.parquet"]
    shard = [folder / "1.words.parquet", folder / "1.texts.parquet"]
    explained = [one / "explained.h5ad", "--model", model, "--check", check, "--table", tables[0], "--most", 10]
    return {
        "--help": ["--help"],
        "genes select": ["genes", "select", cohort, "--where", "group == 'CD19+ B'", "--out", folder / "some.h5ad"],
        "genes check": ["genes", "check", cohort, *trained, "--out", check],
        "genes train": ["genes", "train", cohort, *trained, "--epochs", 8, "--check", check, *outputs],
        "genes explain": ["genes", "explain", cohort, "--model", model, "--check", check, "--out", relevance],
        "genes rank": rank(one),
        "genes curves": ["genes", "curves", *explained, "--out", one / "curves.tsv"],
        "genes page": ["genes", "page", one, "--out", one / "report.html"],
        "": rank(two),
        "genes consensus": ["genes", "consensus", *tables, "--out", across["consensus"], "--agreement", agreement],
        "genes enrich": ["genes", "enrich", *tables, "--gene-sets", folder / "sets.gmt", "--out", across["enrichment"]],
        "genes report": ["genes", "report", one, two, "--no-pages", *reported, "--out", folder / "report.html"],
        " ": ["text", "train-demo", "--out", network],
        "text check": ["text", "check", corpus, "--model", network, "--out", text / "check.json"],
        "text explain": ["text", "explain", "--file", corpus, "--model", network, "--out", shard[0], *out_texts],
        "text gather": ["text", "gather", *shard, "--out", words, "--out-texts", texts],
        "text words": ["text", "words", words, "--texts", texts, "--out", text / "words.tsv"],
        "text report": ["text", "report", text, "--out", folder / "text.html"],
    }


def measured(arguments: list[object], checkout: Path) -> tuple[float, float]:
    """Run a command of a checkout; return its CPU seconds and its peak memory in MB."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-c", MEASURED, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    if run.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))} failed: {run.stderr}")
    return tuple(json.loads(run.stdout.splitlines()[-1]))


def main(before: Path | None, rounds: int) -> None:
    """Measure all commands, and write the table."""
    versions = {"before": before, "": HERE} if before else {"": HERE}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in commands(Path(folder)).items():
            if not name.strip():  # prepares the next ones
                measured(arguments, HERE)
                continue
            runs = {version: [] for version in versions}
            for _ in range(rounds):
                for version, checkout in versions.items():
                    runs[version].append(measured(arguments, checkout))
            medians = {
                version: [statistics.median(values) for values in zip(*runs[version], strict=True)] for version in runs
            }
            row = {"command": name}
            for number, unit in enumerate(("CPU s", "peak memory, MB")):
                row |= {f"{unit} {version}".strip(): medians[version][number] for version in versions}
            rows.append(row)
            print(row, file=sys.stderr)
    notes = (
        f"Each command on a cohort of 120 cells x 60 genes, or 40 short texts; medians of {rounds} runs"
        + (", in which both versions took turns." if before else ".")
        + " `train` trains 3 networks for 8 epochs."
    )
    write("start_up", "Start-up of the commands", rows, notes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    main(asked.before, asked.rounds)
