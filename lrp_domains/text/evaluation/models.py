"""Do explanations of texts depend on the model's parameters, and do those of several models agree?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ... import evaluation
from ...domain import Progress, no_progress
from ..errors import TextError, excerpt
from ..explainer import TextExplainer
from ..results.relevance import TextRelevance


def parameter_randomisation(
    explainer: TextExplainer,
    texts: Sequence[str],
    *,
    target: str | Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Measure how explanations of texts change as the model's layers are randomised, from the top.

    Parameters
    ----------
    explainer
        Explains the texts; its model gets its weights back.
    texts
        The texts.
    target
        As in a call of the explainer; None: what the model predicts before it is randomised.
    layers, seed, progress
        As in `lrp_domains.evaluation.parameter_randomisation`. All layers are many: each takes an explanation of all
        texts.

    Returns
    -------
    A table with the columns ``layer`` and ``similarity``; the latter should fall.
    """
    texts = list(texts)
    targets = [result.target for result in explainer(texts, target)]

    def explain() -> list[np.ndarray]:
        return [_relevance(result) for result in explainer(texts, targets)]

    options = {"layers": layers, "seed": seed, "progress": progress}
    return evaluation.parameter_randomisation(explainer.model, explain, **options)


def agreement(
    explainers: Mapping[str, TextExplainer],
    texts: Sequence[str],
    *,
    target: str | Sequence[str] | None = None,
    k: int = 5,
) -> pd.DataFrame:
    """Measure how much explanations of the same texts by several models agree, such as those of several seeds.

    Parameters
    ----------
    explainers
        By name, such as that of a seed.
    texts
        The texts.
    target
        As in a call of an explainer; None: what the first model predicts.
    k
        Of how many words the Jaccard index is.

    Returns
    -------
    One row per pair, as from `lrp_domains.evaluation.agreement`: means over texts.
    """
    texts = list(texts)
    first = next(iter(explainers.values()))
    targets = [result.target for result in first(texts, target)]
    results = {name: explainer(texts, targets) for name, explainer in explainers.items()}
    tables = []
    for number, text in enumerate(texts):
        of_text = {name: of[number] for name, of in results.items()}
        if len({tuple((word.start, word.end) for word in result.words) for result in of_text.values()}) > 1:
            raise TextError(f"{excerpt(text)} has other words for another model: pass explainers of the same words=")
        tables.append(evaluation.agreement({name: _relevance(result) for name, result in of_text.items()}, k))
    return pd.concat(tables).groupby(["a", "b"], sort=False, as_index=False).mean()


def _relevance(result: TextRelevance) -> np.ndarray:
    return np.array([word.relevance for word in result.words])
