"""The options of the gene commands, each defined once.

Options that belong together are a group, for `lrp_domains.commands.grouped`: only those that were given are passed on,
so that defaults are the library's. Help texts name the defaults; a test compares the two.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..choices import CompileOption, PrecisionOption, RulesOption, ScoreOption
from ..device import Device

Task = Literal["classes", "value", "survival"]
Network = Literal["mlp", "linear", "transformer"]
Normalisation = Literal["log", "counts", "log1p_cp10k", "centred", "zscore"]
Cohort = Annotated[
    Path,
    typer.Argument(
        help="An .h5ad file, a .zarr folder, a 10x .h5 file or folder with matrix.mtx, a .loom file, a matrix of cells "
        "x genes (.csv, .tsv, .txt, also .gz), or pbmc68k_reduced for the cohort that comes with scanpy."
    ),
]
Explained = Annotated[Path, typer.Argument(help="An explained cohort, as 'genes explain' writes it.")]
Model = Annotated[
    Path, typer.Option(help="A model: trained by 'genes train', or declared in a .yaml file (see docs/own_model.md).")
]
OtherModel = Annotated[Path | None, typer.Option(help="A model to explain the cohort with, instead of training one.")]
AllowPickle = Annotated[
    bool, typer.Option(help="Allow a declared model to be unpickled, which executes any code in its file.")
]
AllowCode = Annotated[
    bool, typer.Option(help="Allow a declaration to name module:callable, which imports and executes that code.")
]
Check = Annotated[
    Path | None,
    typer.Option(
        help="The summary that 'genes check' writes: stop if the cohort or its model has changed since (default: none)."
    ),
]
Labels = Annotated[str, typer.Option(help="The column of obs to learn.")]
OptionalLabels = Annotated[str | None, typer.Option(help="The column of obs to learn.")]
Donor = Annotated[
    str | None,
    typer.Option(
        help="The column of obs with donors or patients ('index': every row is one); no donor is in two folds."
    ),
]
Folds = Annotated[int | None, typer.Option(help="Number of folds (default 5).")]
GeneColumn = Annotated[
    str | None,
    typer.Option(
        help="The column of var with the model's gene names (default: the one that it was trained by, or var_names)."
    ),
]
Obs = Annotated[
    Path | None,
    typer.Option(
        help="A table to add to obs, .csv or .tsv: one row per cell, with its name in the first column (default: none)."
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        help="Which cells to use, by columns of obs, such as \"er.notna() and cell_type in ['B', 'T']\": comparisons, "
        "and, or, not, in, isna(), isin(), between(), str.startswith(), ... (see docs/genes.md; default: all cells)."
    ),
]
GroupBy = Annotated[str | None, typer.Option(help="The column of obs with the groups to rank (default: the labels).")]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of all random choices (default 0).")]
Wilcoxon = Annotated[
    bool | None, typer.Option(help="Compare with scanpy's Wilcoxon test, otherwise with Welch's t (default: Wilcoxon).")
]
KeepTop = Annotated[int | None, typer.Option(min=0, help="Keep the top k genes of each cell in obsm (default 0).")]

# What is learnt, and from which expression: parameters of `train`.
DATA = {
    "task": Annotated[
        Task | None, typer.Option(help="What the column holds: classes, a value, or the event (default classes).")
    ],
    "time": Annotated[str | None, typer.Option(help="For survival, the column of obs with the time to the event.")],
    "layer": Annotated[str | None, typer.Option(help="The expression to read: X, raw, or a layer (default X).")],
    "normalisation": Annotated[
        Normalisation | None,
        typer.Option(
            help="What the layer holds (log, counts, centred), or is converted to (log1p_cp10k, zscore) (default log)."
        ),
    ],
    "log_base": Annotated[
        str | None,
        typer.Option(
            help="The base of the layer's logs, for fold changes: e, 2 or 10 (default: that in uns['log1p']; without "
            "it, microarrays and values around zero are taken to be log2, others natural logs)."
        ),
    ],
    "fdr": Annotated[
        float | None,
        typer.Option(
            help="Select genes at this false discovery rate, such as 0.1: networks are also trained on decoys, which "
            "takes about two more trainings per draw (default: none, and genes have no p-values)."
        ),
    ],
}

# What happens to groups of too few cells: parameters of `without_rare_groups`.
RARE = {
    "least_cells": Annotated[
        int | None, typer.Option(min=1, help="Drop the cells of groups with fewer cells than this (default: none).")
    ],
    "rare": Annotated[
        str | None,
        typer.Option(help="Merge these groups into one of this name, instead of dropping their cells (default: none)."),
    ],
}

# Fields of `Training`.
TRAINING = {
    "network": Annotated[Network | None, typer.Option(help="The network to train (default mlp).")],
    "folds": Folds,
    "members": Annotated[
        int | None, typer.Option(min=1, help="Networks per fold (default: 10 for small bulk cohorts, else 1).")
    ],
    "seed": Seed,
    "hidden": Annotated[
        int | None, typer.Option(min=1, help="Hidden neurons (default: 128, and 32 for a transformer).")
    ],
    "input_dropout": Annotated[
        float | None,
        typer.Option(help="Share of genes dropped at random in training (default: 0.9 for bulk, 0.2 for cells)."),
    ],
    "epochs": Annotated[
        int | None, typer.Option(min=1, help="Maximum number of epochs (default: 40 for bulk, else 200).")
    ],
    "patience": Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Stop after this many epochs without a lower validation loss (default: 10, and at least 20 batches).",
        ),
    ],
    "decoys": Annotated[
        int | None, typer.Option(min=1, help="Number of draws of decoys, for a false discovery rate (default 3).")
    ],
}

# Fields of `Explanation`; its `top` is separate, because the report of `genes run` has an option of this name.
EXPLANATION = {
    "target": Annotated[
        str | None,
        typer.Option(help="The class to explain: predicted, labelled, or the name of a class (default predicted)."),
    ],
    "against": Annotated[
        str | None,
        typer.Option(
            help="A class to contrast the target with: the difference of the two logits is explained (default: none)."
        ),
    ],
    "score": ScoreOption,
    "rules": RulesOption,
    "groupby": GroupBy,
    "donor": Donor,
    "reference": Annotated[
        str | None,
        typer.Option(
            help="What each cell is compared with: zero, mean (of the cohort), donor (the mean of its donor), or the "
            "name of a group (its mean); the difference of the two scores is explained (default: none)."
        ),
    ],
    "gene_column": GeneColumn,
    "batch_size": Annotated[
        int | None,
        typer.Option(
            min=1, help="Cells explained at once (default: as many as the number of genes and a GPU's memory allow)."
        ),
    ],
    "precision": PrecisionOption,
    "compile": CompileOption,
    "device": Device,
}

# Parameters of `rank_on_disk`, of `curves`, of `consensus` and of `write_report`.
Order = Annotated[
    Literal["mean", "consistency"] | None,
    typer.Option(
        help="What genes are ranked by: mean relevance, or consistency, the mean times its ratio to the standard "
        "deviation over cells (default: consistency where every cell is a donor and values lie around zero, else mean)."
    ),
]
RANKING = {
    "groupby": GroupBy,
    "donor": Donor,
    "wilcoxon": Wilcoxon,
    "order": Order,
    "fdr": Annotated[
        float | None,
        typer.Option(help="Select genes at this false discovery rate (default: that of the training)."),
    ],
    "seed": Seed,
}
CURVES = {
    "most": Annotated[
        int | None, typer.Option(min=1, help="Maximum number of genes to delete or insert (default 100).")
    ],
    "gene_column": GeneColumn,
    "seed": Seed,
    "device": Device,
}
CONSENSUS = {
    "expected": Annotated[
        list[str] | None, typer.Option(help="A cohort that should be present; may be given several times.")
    ],
    "direction": Annotated[
        bool | None, typer.Option(help="Rank genes that are lower in the group last (default: yes).")
    ],
    "top": Annotated[
        int | None, typer.Option(min=1, help="A cohort supports a gene that is among its top k genes (default 20).")
    ],
    "least_cohorts": Annotated[
        int | None, typer.Option(min=1, help="Number of cohorts in which a gene must be measured (default 2).")
    ],
}
# How the finished cohorts of `report --missing-ok` are aggregated and tested; its `top` is another one.
AGGREGATION = {
    "consensus_top": CONSENSUS["top"],
    "direction": CONSENSUS["direction"],
    "least_cohorts": CONSENSUS["least_cohorts"],
    "gene_sets": Annotated[Path | None, typer.Option(help="Gene sets to test, .gmt (default: none).")],
    "seed": Seed,
}
REPORT = {
    "title": Annotated[str | None, typer.Option(help="Title of the report (default Genes that carry each group).")],
    "top": Annotated[int | None, typer.Option(min=1, max=100, help="Genes to show per group (default 10).")],
}
