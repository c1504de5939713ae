"""What an explanation costs, as ratios measured in one run. `make bench` runs all and rewrites `results/`."""
