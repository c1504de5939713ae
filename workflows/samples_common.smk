# Functions of the rows of the sheets of pictures and of sequences, for the rules of samples.smk.

# The setting that names the sheet of each domain.
SAMPLE_SETS = {"images": "picture_sets", "sequences": "sequence_sets"}

# The options of the commands that are columns of the sheets, and those that are settings, by section.
SAMPLE_COLUMNS = {
    "images": ("label_column", "mask_column", "target", "against", "reference"),
    "sequences": (
        "genome",
        "target",
        "against",
        "reference",
        "length",
        "window",
        "stride",
    ),
}
SAMPLE_SETTINGS = {
    ("images", "training"): ("seed", "quick"),
    ("images", "explanation"): ("score", "rules", "target", "against", "reference"),
    ("images", "report"): ("title", "examples"),
    ("sequences", "training"): ("seed", "quick"),
    ("sequences", "explanation"): (
        "score",
        "rules",
        "target",
        "against",
        "reference",
        "references",
        "seed",
        "reverse_complement",
        "length",
        "window",
        "stride",
    ),
    ("sequences", "report"): ("title", "examples"),
}


def collection_of(wildcards):
    """Return the row of the sheet."""
    return SAMPLE_SHEETS[wildcards.domain][wildcards.collection]


def sample_settings(section, only=None):
    """Return a function that makes options of a command from settings; a column of the sheet takes precedence."""

    def settings(wildcards):
        chosen = config[wildcards.domain].get(section) or {}
        own = collection_of(wildcards) if hasattr(wildcards, "collection") else {}
        names = only or SAMPLE_SETTINGS[wildcards.domain, section]
        return " ".join(
            flag(name, chosen.get(name)) for name in names if name not in own
        )

    return settings


def flag(name, value):
    """Return an option of a command; one that is true or false has no value."""
    text = f"--{name.replace('_', '-')}"
    if isinstance(value, bool) or value in ("true", "false"):
        return text if str(value).lower() == "true" else ""
    return option(text, value)


def sample_columns(wildcards):
    """Return options of a command from the row of a sheet."""
    row = collection_of(wildcards)
    return " ".join(
        flag(name, row.get(name)) for name in SAMPLE_COLUMNS[wildcards.domain]
    )


def asked_of_check(wildcards):
    """Return the options by which a check covers what is made of the explained sequences."""
    row = collection_of(wildcards)
    return " ".join(flag(name, row.get(name)) for name in ("bigwig", "modisco"))


def demo_models(wildcards):
    return f"<results>/{wildcards.domain}/demo_models"


def uses_demo(row, column):
    """Return whether a row has the demo's samples, or one of its models: demo, or demo/NAME."""
    return Path(row[column]).parts[0] == "demo"


def sample_file(wildcards):
    """Return the file or folder of a collection; the demo's samples are made with its models."""
    row = collection_of(wildcards)
    return demo_models(wildcards) if uses_demo(row, "path") else row["path"]


def sample_path(wildcards, input):
    """Return what a command reads."""
    row = collection_of(wildcards)
    if uses_demo(row, "path"):
        return os.path.join(input.samples, DEMO_SAMPLES[wildcards.domain])
    return row["path"]


def sample_genome(wildcards):
    return collection_of(wildcards).get("genome", [])


def sample_model_files(wildcards):
    """Return the model if it is a file or a folder; a name on the hub is not an input file."""
    model = collection_of(wildcards)["model"]
    if uses_demo(collection_of(wildcards), "model"):
        return demo_models(wildcards)
    is_here = Path(model).exists() or model.endswith((os.sep, ".yaml"))
    return model.rstrip(os.sep) if is_here else []


def files_named_by_model(wildcards):
    """Return the files that the declaration of a collection's model names."""
    row = collection_of(wildcards)
    return (
        []
        if uses_demo(row, "model")
        else files_of_declaration(row["model"], files_exist(wildcards.domain))
    )


def files_exist(domain):
    """Return whether the files that a sheet names are here, and no rule makes them."""
    return config[domain][f"{SAMPLE_SETS[domain]}_exist"]


def sample_model(wildcards, input):
    """Return the model of a collection: a file, a folder, or a name on the hub."""
    row = collection_of(wildcards)
    if uses_demo(row, "model"):
        return os.path.join(input.model, *Path(row["model"]).parts[1:])
    return input.get("model") or row["model"]


def sample_consent(wildcards, resources):
    """Return the options that allow a model's code to be executed; see `consent`."""
    return consent(wildcards.domain, "allow_code", "allow_pickle")(wildcards, resources)


def content_of_collection(wildcards):
    """Return the state of the files of a collection, if no rule makes them."""
    row = collection_of(wildcards)
    if not files_exist(wildcards.domain):
        return []
    states = [
        state_of(row[name]) for name in ("path", "model", "genome") if name in row
    ]
    explanation = config[wildcards.domain].get("explanation") or {}
    reference = row.get("reference", explanation.get("reference"))
    others = files_of_table(row["path"], ("path", row.get("mask_column")))
    others = [*others, *files_named_by_model(wildcards)]
    if reference and Path(reference).is_file():
        others = [*others, reference]
    return states + [digest([state_of(path) for path in others])] * bool(others)


@functools.cache
def files_of_table(table, columns):
    """Return the files that a table of pictures names in some columns; none of what can't be read as a table."""
    separators = {".csv": ",", ".tsv": "\t"}
    if Path(table).suffix not in separators or not Path(table).is_file():
        return []
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter=separators[Path(table).suffix])
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            named = {row.get(column) for row in reader for column in columns}
    except (csv.Error, UnicodeDecodeError):  # the check says what is wrong
        return []
    return [str(Path(table).parent / name) for name in sorted(filter(None, named))]


@functools.cache
def most_samples(path):
    """Return an upper bound of the number of samples in a folder or a small file; None if only reading it tells."""
    if os.path.isdir(path):
        return sum(file.is_file() for file in Path(path).rglob("*"))
    if (
        not os.path.isfile(path)
        or os.path.getsize(path) >= 2**24
        or path.endswith(".gz")
    ):
        return None
    content = Path(path).read_bytes()
    return max(content.count(b"\n"), content.count(b"\r")) + 1


def number_of_sample_shards(wildcards):
    """Return in how many jobs a collection is explained: one per `shard_samples` samples."""
    row = collection_of(wildcards)
    shard = config[wildcards.domain]["explanation"]["shard_samples"]
    samples = DEMO_SIZE if uses_demo(row, "path") else most_samples(row["path"])
    if samples is None or samples > shard:
        check = checkpoints.samples_count.get(**dict(wildcards.items())).output[0]
        samples = json.loads(Path(check).read_text())["samples"]
    return max(1, -(-samples // shard))


def shards_of_collection(suffix):
    """Return a function that returns the explained shards of a collection: their tables or their arrays."""

    def shards_of(wildcards):
        shards = number_of_sample_shards(wildcards)
        folder = f"<results>/{wildcards.domain}/{wildcards.collection}/shards"
        return [
            f"{folder}/{shard}_of_{shards}.{suffix}" for shard in range(1, shards + 1)
        ]

    return shards_of


def explained_collections(suffix):
    """Return a function that returns the explained collections of a domain: their tables or their arrays."""
    return lambda wildcards: [
        f"<results>/{wildcards.domain}/{collection}/explained.{suffix}"
        for collection in SAMPLE_SHEETS[wildcards.domain]
    ]


# What train-demo writes beside the models, and how many samples these are at most.
DEMO_SAMPLES = {"images": "pictures.tsv", "sequences": "sequences.fa"}
DEMO_SIZE = 1000
