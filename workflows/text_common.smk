# The sheet of corpora, and functions of its rows for the rules of text.smk.

CORPORA = read_sheet("text", "corpora", made="demo")

TEXT_REPORT = "results/text/report.html"
REPORTS.append(TEXT_REPORT)
DEMO_MODEL = "results/text/demo_model"

corpus_options = options_of(CORPORA, "corpus")
text_settings = settings_of("text")


def corpus_path(wildcards):
    """Return a corpus's file; for the demo corpus and model, the sentences that the model was not trained on."""
    corpus = CORPORA[wildcards.corpus]
    if corpus["path"] == corpus["model"] == "demo":
        return f"{DEMO_MODEL}/held_out.tsv"
    return corpus["path"]


def corpus_file(wildcards):
    """Return a corpus's file; nothing for the demo corpus, which comes with the package."""
    path = CORPORA[wildcards.corpus]["path"]
    return [] if path == "demo" else path


def text_model(wildcards):
    """Return the model of a corpus: a folder, a name on the hub, or the folder of the demo model."""
    model = CORPORA[wildcards.corpus]["model"]
    return DEMO_MODEL if model == "demo" else model


def text_model_folder(wildcards):
    """Return the model if it is a folder; a name on the hub is not an input file."""
    model = text_model(wildcards)
    return model if model == DEMO_MODEL or Path(model).is_dir() else []


def text_head(wildcards):
    """Return what the model of a corpus is for, and how its outputs are read."""
    corpus = CORPORA[wildcards.corpus]
    names = ("task", "problem_type", "aggregation", "template")
    options = [
        option(f"--{name.replace('_', '-')}", corpus.get(name)) for name in names
    ]
    candidates = map(str.strip, corpus.get("candidates", "").split(";"))
    options += [option("--candidate", name) for name in candidates]
    flags = {"multi_label": "--multi-label", "no_answer": "--no-answer"}
    options += [flag for name, flag in flags.items() if corpus.get(name) == "true"]
    return " ".join(filter(None, options))


def text_target(wildcards):
    """Return what is explained in a corpus: target and contrast of its row or the configuration, and the reference."""
    corpus, settings = CORPORA[wildcards.corpus], config["text"]["explanation"]
    chosen = corpus if "target" in corpus else settings
    values = {name: chosen.get(name) for name in ("target", "against")}
    values["reference"] = settings.get("reference")
    return " ".join(option(f"--{name}", value) for name, value in values.items())
