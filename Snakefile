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
        gene_reports(),


onsuccess:
    for report in gene_reports():
        print(f"Report: {os.path.abspath(report)}")
