"""The slots of an AnnData object that hold results; every name is defined here and nowhere else."""

# layers
RELEVANCE = "lrp"  # cells x genes, with the sparsity pattern of the expression; dense against a mean

# obs
PREDICTED = "lrp_predicted"  # the class with the highest score
TARGET = "lrp_target"  # the class whose score was explained
SCORE = "lrp_score"  # that score
REFERENCE_SCORE = "lrp_reference_score"  # the same score of the reference; only of cells explained against one
# score (minus that of the reference) minus the cell's summed relevance: the relevance of biases, and the residue
REST = "lrp_rest"
FOLD = "lrp_fold"  # the fold whose networks explained the cell; -1: all networks, none has seen it

# obsm
TOP_GENES = "lrp_first_genes"  # cells x k: column numbers of the top genes; -1 where fewer raise the score
TOP_VALUES = "lrp_first_values"  # cells x k: their relevance
EMBEDDINGS = ("X_umap", "X_tsne", "X_pca")  # as scanpy names them; the report draws the first that is present

# uns
PROVENANCE = "lrp"  # flat dictionary: what was explained, with which rules, model, seed and versions
GROUPS = "lrp_groups"  # sums over groups of cells, from which genes are ranked
RANKING = "rank_genes_lrp"  # in the shape of scanpy's rank_genes_groups
DECOYS = "lrp_decoys"  # what genes and their decoys score, from the training of the model
# The same, with the genes first that are evidence by their absence; only of cohorts that have such genes.
ABSENT = "_absent"
RANKING_ABSENT = RANKING + ABSENT
DIFFERENTIAL = "rank_genes_expression"  # scanpy's differential expression, for comparison
