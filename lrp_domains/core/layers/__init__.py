"""Layers with weights: as linear maps, their neurons, and the path from the inputs to the first layers."""
