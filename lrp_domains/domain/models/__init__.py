"""A user's model, loaded: a network that a .yaml file declares, or a model of transformers."""
