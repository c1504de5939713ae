"""The explanation of samples by the units that a model read, and its account."""
