# What can be made here, by domain. Each rule runs one command of lrp-domains, so every step can be run by hand as well.
#
#   snakemake --cores 2 --configfile configs/demo.yaml
from snakemake.utils import min_version

min_version("9.0")


include: "workflows/common.smk"


REPORTS = []

if "genes" in config:

    include: "workflows/genes.smk"

    REPORTS.append(GENE_REPORT)


if "text" in config:

    include: "workflows/text.smk"

    REPORTS.append(TEXT_REPORT)


rule all:
    default_target: True
    input:
        REPORTS,


onsuccess:
    for report in REPORTS:
        print(f"Report: {os.path.abspath(report)}")


# With --keep-going the other cohorts are finished by now: what they have in common is told, and who is missing and why.
onerror:
    if "genes" in config:
        report_what_is_there()
