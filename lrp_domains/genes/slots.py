"""Where results live in an AnnData object; every name is written here and nowhere else."""

# layers
RELEVANCE = "lrp"  # cells x genes, with the sparsity pattern of the expression that was explained

# obs
PREDICTED = "lrp_predicted"  # the class with the highest logit
TARGET = "lrp_target"  # the class whose score was explained
SCORE = "lrp_score"  # that score
REST = "lrp_rest"  # score minus the cell's summed relevance: what the biases hold
FOLD = "lrp_fold"  # the network that explained the cell; it was trained without this fold

# uns
PROVENANCE = "lrp"  # flat dictionary: what was explained, with which rules, seed and versions
RANKING = "rank_genes_lrp"  # in the shape of scanpy's rank_genes_groups
WILCOXON = "rank_genes_wilcoxon"  # scanpy's differential expression, for comparison

# obsm
EMBEDDING = "X_umap"  # scanpy's own; drawn in the report where it is there
