# Collections of pictures: the rules are those of samples.smk.

SAMPLE_SHEETS["images"] = read_sheet("images", "picture_sets", made="demo")
REPORTS.append("<results>/images/report.html")
