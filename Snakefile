# One report per domain. Each rule runs one command of lrp-domains, so every step can also be run by hand.
#
#   snakemake --cores 2 --configfile configs/demo.yaml
from snakemake.utils import min_version

min_version("9.17")  # pathvars of modules


include: "workflows/common.smk"


# Each domain appends its final outputs.
REPORTS = []

for name, rules_of_domain in DOMAINS.items():
    if name in config:

        include: rules_of_domain


rule all:
    default_target: True
    input:
        REPORTS,


onsuccess:
    for report in REPORTS:
        print(f"Report: {os.path.abspath(report.replace('<results>', RESULTS))}")


# With --keep-going the other cohorts are finished by now: this report, which no rule makes, shows them, and which are
# missing and why. The next run goes on with the missing ones.
onerror:
    if "genes" in config:
        shell(REPORT_OF_FINISHED_COHORTS)
