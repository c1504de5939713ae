"""What to explain, checked and fitted to a cohort and a model."""
