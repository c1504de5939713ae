# The sheet of corpora, and what the rules of text.smk ask of it.

CORPORA = read_sheet("text", "corpora", made="demo")

TEXT_REPORT = "results/text/report.html"
DEMO_MODEL = "results/text/demo_model"

corpus_options = options_of(CORPORA, "corpus")
text_settings = settings_of("text")


def corpus_path(wildcards):
    """Give a corpus's file; the model of the demo explains those of the demo sentences that it has not seen."""
    own = CORPORA[wildcards.corpus]
    if own["path"] == own["model"] == "demo":
        return f"{DEMO_MODEL}/held_out.tsv"
    return own["path"]


def corpus_file(wildcards):
    """Give a corpus's file where it is a file of its own."""
    path = CORPORA[wildcards.corpus]["path"]
    return [] if path == "demo" else path


def text_model(wildcards):
    """Give the model of a corpus: a folder, a name on the hub, or the one that is trained for the demo."""
    model = CORPORA[wildcards.corpus]["model"]
    return DEMO_MODEL if model == "demo" else model


def text_model_folder(wildcards):
    """Give the model where it is a folder; a name on the hub is no file to wait for."""
    model = text_model(wildcards)
    return model if model == DEMO_MODEL or Path(model).is_dir() else []


def text_target(wildcards):
    """Give what is explained in a corpus: as its row says, or else as the configuration does."""
    own = CORPORA[wildcards.corpus]
    chosen = own if "target" in own else config["text"]["explanation"]
    return " ".join(
        option(f"--{name}", chosen.get(name)) for name in ("target", "against")
    )
