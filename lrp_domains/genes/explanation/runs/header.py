"""What is written about a cohort as a whole, beside its cells and sums: known before the first cell is explained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch

from .... import __version__
from ... import slots
from ..requests.decoy_rate import is_compared
from ..requests.plan import Plan
from ..requests.target import PREDICTED

SHA256 = "cohort_sha256"  # in the provenance, if the cohort was checked


@dataclass(frozen=True)
class Header:
    """What is written about a cohort as a whole.

    Attributes
    ----------
    provenance
        What was explained and how; a flat dictionary, which every AnnData version can write and read.
    labels
        The group of each cell; None if the predicted class is its group.
    top
        Number of top genes of each cell that are kept.
    decoys
        The slot of what decoys score; None if the model has none.
    no_decoys
        Why this explanation isn't compared with them; empty if it is.
    training_cells
        The number of cells that the model was trained on; 0 if that is unknown.
    """

    provenance: Mapping[str, object]
    labels: pd.Series | None = field(repr=False)
    top: int
    decoys: Mapping[str, object] | None = field(repr=False)
    no_decoys: str
    training_cells: int

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return tuple(str(name) for name in self.provenance["classes"])

    def to_slot(self) -> dict[str, object]:
        """Return a dictionary that a file of anndata's encoding can store."""
        slot = dict(vars(self)) | {"provenance": dict(self.provenance)}
        del slot["labels"], slot["decoys"]
        if self.labels is not None:
            slot["labels"] = pd.DataFrame({str(self.labels.name): self.labels})
        if self.decoys is not None:
            slot["decoys"] = dict(self.decoys)
        return slot

    @classmethod
    def from_slot(cls, slot: Mapping[str, object]) -> "Header":
        """Convert the dictionary of `to_slot` back."""
        return cls(
            provenance=slot["provenance"],
            labels=slot["labels"].iloc[:, 0] if "labels" in slot else None,
            top=int(slot["top"]),
            decoys=slot.get("decoys"),
            no_decoys=str(slot["no_decoys"]),
            training_cells=int(slot["training_cells"]),
        )


def header_of(plan: Plan, layer: str | None, *, sha256: str = "") -> Header:
    """Return what a plan says about the cohort as a whole.

    Parameters
    ----------
    plan
        What is explained.
    layer
        The layer of the relevance; None if it isn't kept.
    sha256
        The hash of the cohort's file, if it was checked.
    """
    model, decoys = plan.model, None
    if model.decoys is not None:
        slot = model.decoys.of_genes(plan.present, plan.genes).to_slot()
        decoys = slot | {"fdr": float(model.training["fdr"])}
    return Header(
        provenance=_provenance(plan, layer) | ({SHA256: sha256} if sha256 else {}),
        labels=plan.labels,
        top=plan.request.top,
        decoys=decoys,
        no_decoys="" if decoys is None else _no_decoys(plan),
        training_cells=0 if model.training_cells is None else len(model.training_cells.folds),
    )


def _no_decoys(plan: Plan) -> str:
    """Return why an explanation is of other groups, or of another kind, than that of decoys; empty if it isn't."""
    model = plan.model
    grouped = model.labels if model.task == "classes" else slots.PREDICTED
    groupby = plan.labels.name if plan.labels is not None else slots.PREDICTED
    if groupby != grouped:
        return f"the groups are those of '{groupby}', not of '{grouped}'"
    if not is_compared(plan.request, of_classes=model.task == "classes"):
        return (
            "decoys are explained for the log-odds of the predicted class, without a reference, by the rules 'attn-lrp'"
        )
    return ""


def _provenance(plan: Plan, layer: str | None) -> dict[str, object]:
    """Return what is explained and how.

    Class names are an array, because as keys they could contain a slash.
    """
    model, request, expression = plan.model, plan.request, plan.expression
    held_out = {}
    if model.held_out is not None:
        held_out = {
            "at_chance": model.held_out.at_chance,
            "held_out_measure": model.held_out.measure,
            "held_out": model.held_out.value,
            "held_out_error": model.held_out.error,
            "chance": model.held_out.chance,
        }
    return held_out | {
        "rules": request.rule_set.name,
        "target": request.target or PREDICTED,
        "against": request.against or "",
        "reference": request.reference or "",
        "donor": request.donor or "",
        "gene_column": plan.gene_column,
        "score": request.score if model.task == "classes" else model.task,
        "task": model.task,
        "labels": model.labels,
        "groupby": plan.labels.name if plan.labels is not None else slots.PREDICTED,
        "own_group": plan.own_group,
        "layer": model.expects.layer,
        "normalisation": model.expects.normalisation,
        "log_base": plan.log_base,
        "by_absence": not plan.is_sparse,
        "relevance_layer": layer or "",
        "classes": np.array(model.classes, dtype=object),
        "folds": len(model.networks),
        "networks": model.n_networks,
        "model": model.digest(),
        "precision": request.precision or "",
        **plan.distance,
        "seed": int(model.training.get("seed", -1)),
        "genes_missing": len(expression.alignment.missing),
        "genes_surplus": expression.alignment.surplus,
        "lrp_domains": __version__,
        "torch": str(torch.__version__),
        "anndata": version("anndata"),
    }
