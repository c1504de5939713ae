# One report per domain. Each rule runs one command of lrp-domains, so every step can also be run by hand.
#
#   snakemake --cores 2 --configfile configs/demo.yaml
from snakemake.utils import min_version

min_version("9.17")  # pathvars of modules


include: "workflows/common.smk"


# Each domain appends its final outputs. Those of pictures and of sequences share their rules, and add their sheets.
REPORTS = []
SAMPLE_SHEETS = {}

for name, rules_of_domain in DOMAINS.items():
    if name in config:

        include: rules_of_domain


if SAMPLE_SHEETS:

    include: "workflows/samples.smk"


rule all:
    default_target: True
    input:
        REPORTS,


onsuccess:
    for report in REPORTS:
        print(f"Report: {place_of(report.replace('<results>', RESULTS))}")


# With --keep-going the other cohorts are finished by now. On a cluster the command is for the user to run where jobs run.
onerror:
    if "genes" in config:
        if workflow.is_main_process and workflow.local_exec and not BUCKET:
            subprocess.run(PARTIAL_REPORT, shell=True)
        else:
            print(f"To report the finished cohorts: {PARTIAL_REPORT}")
