# What can be made here, by domain. Each rule runs one command of lrp-domains, so every step can be run by hand as well.
#
#   snakemake --cores 2 --configfile configs/demo.yaml
from snakemake.utils import min_version

min_version("9.0")


include: "workflows/common.smk"
include: "workflows/genes.smk"


rule all:
    default_target: True
    input:
        GENE_REPORT,


onsuccess:
    print(f"Report: {os.path.abspath(GENE_REPORT)}")


# With --keep-going the other cohorts are finished by now: what they have in common is told, and who is missing and why.
onerror:
    report_what_is_there()
