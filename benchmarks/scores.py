"""How the choice of the score (logit, margin, log-odds) changes the ranked genes of the cohort that comes with scanpy.

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
    """Explain the same networks with each score."""
    warnings.simplefilter("ignore")
    adata = demo_cohort()
    model = train(adata, "bulk_labels")
    tables, rows = {}, []
    for score in SCORES:
        relevance(adata, model, score=score)
        table = tables[score] = rank(adata)
        means = areas(curves(adata, model, table))
        means = means[means["order"] == "relevance"]
        top = table[table["rank"] <= 20]
        rows.append(
            {
                "score": score,
                "mean probability under deletion": means["deletion"].mean(),
                "under insertion": means["insertion"].mean(),
                "absent genes among the top 20": (top["direction"] < 0).groupby(top["group"]).sum().mean(),
                "also among the top 20 of Wilcoxon": (top["de_rank"] <= 20).groupby(top["group"]).sum().mean(),
                "genes for 90 % of the evidence": table.groupby("group")["score"].apply(_for_90).mean(),
            }
        )

    text = _markdown(pd.DataFrame(rows))
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
    """Draw the top genes of two groups for each score; pale if a gene is expressed less than in other groups."""
    figure = Figure(figsize=(10.5, 6.4), layout="constrained")
    panels = figure.subplots(len(GROUPS), len(tables))
    for row, group in enumerate(GROUPS):
        for axes, (score, table) in zip(panels[row], tables.items(), strict=True):
            top = table[table["group"] == group].nsmallest(TOP, "rank")
            colours = np.where(top["direction"] > 0, "#b2182b", "#92c5de")
            axes.barh(range(len(top)), top["score"], color=list(colours))
            axes.set_yticks(range(len(top)), top["gene"], fontsize=8)
            axes.invert_yaxis()
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(f"{group}: {score}", fontsize=9.5)
            axes.tick_params(axis="x", labelsize=8)
    figure.supxlabel(
        "mean relevance (blue: expressed less than in the rest, so that its absence is evidence)", fontsize=9
    )
    return figure


if __name__ == "__main__":
    main()
