"""The cost of an explanation, as ratios measured in one run. `make bench` runs all and rewrites `results/`."""
