"""Where a model computes: device, precision, memory, and data read ahead of it."""
