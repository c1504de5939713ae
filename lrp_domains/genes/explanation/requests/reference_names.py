"""What cells can be explained against, by name. `lrp_domains.genes.explanation.requests.reference` computes it."""

REFERENCES = {
    "zero": "0 for all genes",
    "mean": "the mean of the cohort",
    "donor": "the mean of the cell's donor",
}
"""The references other than groups, in words."""
