"""Models and graph layers of other packages, and exported programs, are explained unmodified."""
