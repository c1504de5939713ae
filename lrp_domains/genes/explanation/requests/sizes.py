"""How many cells are read and explained at a time, and how many genes of each are counted."""

# The dense numbers of a chunk, per network, which decide how many cells are explained at a time. On a CPU larger arrays
# leave the caches, and several of them outgrow what the allocator keeps (see `explain.py`); a GPU wants more.
CHUNK_NUMBERS = 1_500_000
CHUNK_NUMBERS_GPU = 16_000_000
TOP = 50  # top genes of a cell and of a network that are counted, unless a request names another number
