# Sets of DNA and protein sequences: the rules are those of samples.smk.

SAMPLE_SHEETS["sequences"] = read_sheet("sequences", "sequence_sets", made="demo")
REPORTS.append("<results>/sequences/report.html")
