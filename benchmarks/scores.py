"""How the choice of the score changes what is found: logit, margin, log-odds, on the cohort that scanpy brings.

    python -m benchmarks.scores

writes ``docs/score_choices.png`` and ``benchmarks/results/scores.md``.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lrp_domains.domain import SCORES
from lrp_domains.genes import areas, curves, demo_cohort, rank, relevance, train

ROOT = Path(__file__).parents[1]
GROUPS = ("CD19+ B", "CD14+ Monocyte")
TOP = 12


def main() -> None:
    """Explain the same networks by each score."""
    warnings.simplefilter("ignore")
    adata = demo_cohort()
    model = train(adata, "bulk_labels")
    tables, rows = {}, []
    for score in SCORES:
        relevance(adata, model, score=score)
        table = tables[score] = rank(adata)
        found = areas(curves(adata, model, table))
        found = found[found["order"] == "relevance"]
        first = table[table["rank"] <= 20]
        rows.append(
            {
                "score": score,
                "mean probability under deletion": found["deletion"].mean(),
                "under insertion": found["insertion"].mean(),
                "absent genes among the first 20": (first["direction"] < 0).groupby(first["group"]).sum().mean(),
                "also among the first 20 of Wilcoxon": (first["de_rank"] <= 20).groupby(first["group"]).sum().mean(),
                "genes for 90 % of the evidence": table.groupby("group")["score"].apply(_for_90).mean(),
            }
        )
    summary = pd.DataFrame(rows)
    text = _markdown(summary)
    (ROOT / "benchmarks" / "results" / "scores.md").write_text(
        "# The choice of the score\n\npbmc68k_reduced, ten groups, five folds; means over groups "
        f"(`python -m benchmarks.scores`).\n\n{text}\n"
    )
    _draw(tables).savefig(ROOT / "docs" / "score_choices.png", dpi=130)
    print(text)


def _for_90(scores: pd.Series) -> int:
    positive = np.sort(scores.clip(lower=0))[::-1].cumsum()
    return int((positive < 0.9 * positive[-1]).sum()) + 1


def _markdown(table: pd.DataFrame) -> str:
    rows = [list(table), ["---"] * table.shape[1]]
    rows += [[row[0], *(f"{value:.3g}" for value in row[1:])] for row in table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """The first genes of two groups by each score; pale where the gene is expressed less than in other groups."""
    figure = Figure(figsize=(10.5, 6.4), layout="constrained")
    panels = figure.subplots(len(GROUPS), len(tables))
    for row, group in enumerate(GROUPS):
        for axes, (score, table) in zip(panels[row], tables.items(), strict=True):
            first = table[table["group"] == group].nsmallest(TOP, "rank")
            colours = np.where(first["direction"] > 0, "#b2182b", "#92c5de")
            axes.barh(range(len(first)), first["score"], color=list(colours))
            axes.set_yticks(range(len(first)), first["gene"], fontsize=8)
            axes.invert_yaxis()
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(f"{group}: {score}", fontsize=9.5)
            axes.tick_params(axis="x", labelsize=8)
    figure.supxlabel(
        "mean relevance (blue: expressed less here than in the rest, so that its absence speaks)", fontsize=9
    )
    return figure


if __name__ == "__main__":
    main()
