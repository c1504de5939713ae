# Functions of the rows of the sheet of sequences, for the rules of sequences.smk.


def genome_of_track(wildcards):
    """Return the genome, which has the sizes of chromosomes, if a set asks for a track."""
    row = SAMPLE_SHEETS["sequences"][wildcards.collection]
    return row["genome"] if row.get("bigwig") == "true" else []


def written_tracks(wildcards, input, output):
    """Return the options for what a set asks for."""
    row, options = SAMPLE_SHEETS["sequences"][wildcards.collection], {}
    if row.get("bigwig") == "true":
        options |= {"genome": input.genome, "bigwig": f"{output}/relevance.bw"}
    if row.get("modisco") == "true":
        options["modisco"] = f"{output}/modisco"
    return " ".join(option(f"--{name}", value) for name, value in options.items())
