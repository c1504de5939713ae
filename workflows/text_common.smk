# The sheet of corpora, and functions of its rows for the rules of text.smk.

CORPORA = read_sheet("text", "corpora", made="demo")

# Methods are compared on each corpus if the configuration asks for it.
TEXT_COMPARISONS = [
    f"<results>/text/{corpus}/comparison/comparison.tsv"
    for corpus in CORPORA
    if "evaluation" in config["text"]
]
TEXT_REPORT = "<results>/text/report.html"
REPORTS.append(TEXT_REPORT)
DEMO_MODEL = "<results>/text/demo_model"

# Whether code that comes with a model may be executed.
text_consent = consent("text", "allow_code")

corpus_options = options_of(CORPORA, "corpus")
text_settings = settings_of("text")


def corpus_file(wildcards):
    """Return a corpus's file; nothing for the demo corpus, which comes with the package or with the demo model."""
    path = CORPORA[wildcards.corpus]["path"]
    return [] if path == "demo" else path


def corpus_path(wildcards, input):
    """Return what a command reads; for the demo corpus and model, the sentences that the model was not trained on."""
    corpus = CORPORA[wildcards.corpus]
    if corpus["path"] == corpus["model"] == "demo":
        return f"{input.model}/held_out.tsv"
    return input.get("corpus") or corpus["path"]


def text_model_folder(wildcards):
    """Return the model if it is a folder; a name on the hub is not an input file."""
    model = CORPORA[wildcards.corpus]["model"]
    if model == "demo":
        return DEMO_MODEL
    is_folder = Path(model).is_dir() or model.endswith("/")
    return model.rstrip("/") if is_folder else []


def text_model(wildcards, input):
    """Return the model of a corpus: a folder, or a name on the hub."""
    return input.get("model") or CORPORA[wildcards.corpus]["model"]


def content_of_corpus(wildcards):
    """Return the state of a corpus and of its model's folder, if no rule makes them."""
    corpus = CORPORA[wildcards.corpus]
    exist = config["text"]["corpora_exist"]
    return [state_of(corpus[column]) for column in ("path", "model")] * exist


def number_of_text_shards(wildcards):
    """Return in how many jobs a corpus is explained: one per `shard_texts` texts."""
    shard = config["text"]["explanation"]["shard_texts"]
    texts = most_texts(CORPORA[wildcards.corpus]["path"])
    if texts is None or texts > shard:
        check = checkpoints.text_count.get(corpus=wildcards.corpus).output[0]
        texts = json.loads(Path(check).read_text())["texts"]
    return max(1, -(-texts // shard))


@functools.cache
def most_texts(path):
    """Return an upper bound of the number of texts in a small file of lines; None if only reading the file tells."""
    if path == "demo":
        return 668
    is_small = os.path.isfile(path) and os.path.getsize(path) < 2**24
    if not is_small or not path.endswith((".txt", ".csv", ".tsv", ".jsonl")):
        return None
    content = Path(path).read_bytes()
    return max(content.count(b"\n"), content.count(b"\r")) + 1


def shards_of_corpus(kind):
    """Return a function that returns the explained shards of a corpus: their words or their texts."""

    def shards_of(wildcards):
        shards = number_of_text_shards(wildcards)
        return [
            f"<results>/text/{wildcards.corpus}/shards/{shard}_of_{shards}.{kind}.parquet"
            for shard in range(1, shards + 1)
        ]

    return shards_of


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
