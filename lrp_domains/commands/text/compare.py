"""Methods of explanation compared on a corpus."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import progress, say, say_time
from ..grouped import grouped
from . import options as o
from .loading import key_of, load_corpus, load_explainer

COMPARISON = {
    "methods": Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="Method to compare; repeat for several (default: attn-lrp, cp-lrp, secant, secant-half, "
            "attn-lrp-midpoints, gradient, integrated-gradients, occlusion, random). Others: gim, epsilon, "
            "smooth-gradient, gradient-shap, deeplift, kernel-shap, lime, attention, rollout.",
        ),
    ],
    "how": Annotated[
        str | None,
        typer.Option(help="What removes a word: mask, pad, delete, or another word in its place (default mask)."),
    ],
    "soft": Annotated[
        bool | None,
        typer.Option("--soft", help="Also remove words at random, by relevance: Soft-NC and Soft-NS (takes longer)."),
    ],
    "reference": Annotated[
        str | None,
        typer.Option(help="What methods that need a reference compare texts with: mask or pad (default mask)."),
    ],
}
REMOVED = {"mask": "masked", "pad": "padded", "delete": "deleted"}
COLUMNS = {name: o.COLUMNS[name] for name in ("text_column", "label_column")}
SETTINGS = {name: option for name, option in o.SETTINGS.items() if name not in ("rules", "compile", "precision")}


@grouped(model=o.MODEL, columns=COLUMNS, comparison=COMPARISON, settings=SETTINGS)
def compare(
    corpus: o.Corpus,
    out: Annotated[Path, typer.Option(help="The folder to write: comparison.html, and its tables.")],
    texts: Annotated[int, typer.Option(min=2, help="Number of texts to compare on, drawn at random.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of which texts are drawn.")] = 0,
    *,
    model: dict,
    columns: dict,
    comparison: dict,
    settings: dict,
) -> None:
    """Compare methods of explanation: which finds the words that the model used? An interrupted run resumes."""
    from ... import __version__
    from ...domain import Clock, require_space, resumable
    from ...evaluation.page import write_comparison
    from ...text.evaluation import check_methods, compare_methods, draw

    check_methods(comparison.get("methods", ()))
    require_space(out, is_folder=True)
    clock = Clock()
    with clock("reading"):
        whole = load_corpus(corpus, columns)
        chosen = draw(whole, texts, seed)
    with clock("loading"):
        explainer = load_explainer(model, **settings)
        chosen = chosen.named(explainer.labels)

    asked = sorted(comparison.items()), sorted(settings.items(), key=str)
    request = repr((__version__, key_of(model), chosen.texts, *asked))
    with resumable(out, request) as folder, clock("comparing"):
        known = {"labels": chosen.labels, "folder": folder, "progress": progress}
        found = compare_methods(explainer, chosen.texts, **known, **comparison)
        removed = REMOVED.get(how := comparison.get("how", "mask"), f"replaced by '{how}'")
        drawn = f"{len(chosen)} of {len(whole)} texts of '{corpus}', drawn with seed {seed}"
        notes = [f"{drawn}, by {model['model']}; removed words are {removed}."]
        write_comparison(found, out, title="Methods of explanation compared", notes=notes)
    for warning in found.warnings():
        say("warning", warning, "bold yellow")
    best = found.table().query("measure == 'ABPC' and best")["method"]
    say("most faithful", f"{', '.join(best)} (ABPC; best, or within the paired interval of the best)")
    say("comparison", str((out / "comparison.html").resolve()))
    say_time(clock)
