"""Families of models that other packages make, graph layers and exported programs: explained as they are."""
