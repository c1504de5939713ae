"""Layers with weights: their neurons, as linear maps, and the way from the input to the first of them."""
