"""Which rule meets which node, and the pass that carries it out."""
