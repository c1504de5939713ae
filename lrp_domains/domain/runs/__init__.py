"""Long computations: progress, the time of each phase, resuming."""
