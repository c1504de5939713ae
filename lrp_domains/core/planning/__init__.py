"""The plan of a backward pass, which rule applies to which node, and the hooks that carry it out."""
