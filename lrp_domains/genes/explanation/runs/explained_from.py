"""Whether an explained cohort comes from the cohort that was checked, and from a model."""

from collections.abc import Mapping
from pathlib import Path

from anndata import AnnData

from ....domain import checked_inputs
from ...errors import CohortError
from ...models.model import GeneModel
from .header import SHA256
from .results_in_adata import provenance_of


def checked_sha256(check: str | Path | None) -> str:
    """Return the hash of the cohort in the summary of a check; empty if there is none."""
    return "" if check is None else str(checked_inputs(check).get("cohort", {}).get("sha256", ""))


def check_explained_from(adata: AnnData, model: GeneModel, check: str | Path) -> None:
    """Raise if a cohort was explained from another file than the checked one, or by another model."""
    provenance = provenance_of(adata)
    check_source(provenance, check)
    if provenance["model"] != model.digest():
        raise CohortError("the cohort was explained by another model, or by other weights of it; explain it again")


def check_source(provenance: Mapping[str, object], check: str | Path | None) -> None:
    """Raise if a cohort, or its shards, were explained from another file than the checked one."""
    recorded, expected = str(provenance.get(SHA256, "")), checked_sha256(check)
    if recorded and expected and recorded != expected:
        raise CohortError(
            f"the cohort was explained from another file than the one that was checked ('{check}'); explain it again"
        )
