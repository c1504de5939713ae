"""The values of a cohort, as a model expects them."""
