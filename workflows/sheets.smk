# Sheets, one row per cohort or corpus: read, and refused with every mistake by row and column, before any job runs.
import csv
import difflib
import io

# The columns of a sheet with paths, and those with names of columns of a cohort's obs.
PATHS = ("path", "obs", "model", "genome")
COLUMNS_OF_OBS = ("labels", "time", "donor", "groupby")


class Mistakes(WorkflowError):
    """Mistakes of the user, one per line; the place in these files where they were noticed is left out."""

    __traceback__ = None


def read_sheet(domain, name, made):
    """Read a sheet, one row per cohort or corpus; raise with every mistake, by row and column.

    ``name`` is the name of the setting and of the schema; the path ``made`` stands for data that come with the package.
    """
    path, exist = config[domain][name], config[domain][f"{name}_exist"]
    try:
        sheet = Path(
            path if Path(path).exists() else workflow.source_path(f"../{path}")
        )
    except (OSError, WorkflowError):
        sheet = Path(path)
    if not sheet.is_file():
        raise Mistakes(
            f"there is no sheet '{path}' in the working directory or in the workflow"
        )
    schema = schema_of(f"schemas/{name}.schema.yaml")
    table, wrong = cells_of(sheet, list(schema["properties"]))

    rows = {}
    for number, row in table:
        label = row.get("name", "")
        place = f"row {number} ('{shortened(label)}')"
        wrong += [f"{place}{mistake}" for mistake in mistakes_of_row(row, schema)]
        if label in rows:
            wrong.append(
                f"{place}, column name: used before; give each row a different name"
            )
        if exist:
            wrong += [
                f"{place}, column {mistake}"
                for mistake in mistakes_of_files(row, name, made)
            ]
        rows[label] = {
            column: rule["default"]
            for column, rule in schema["properties"].items()
            if "default" in rule
        } | {column: file_name(column, value) for column, value in row.items()}
    if not table and not wrong:
        wrong.append(f"no rows; write one for each of the {name}")
    if wrong:
        raise Mistakes(f"the sheet '{path}' has mistakes", *sorted(wrong, key=row_of))
    return rows


def cells_of(sheet, columns):
    """Return the rows of a sheet, each with its line and its cells that aren't empty, and the mistakes in its form."""
    text, wrong = decoded(sheet.read_bytes())
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    lines, start = [], 1
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any("\n" in cell or "\r" in cell for cell in cells):
                wrong.append(f"row {start}: a line break within a cell")
            elif any(cells) and not cells[0].startswith("#"):
                lines.append((start, cells))
            start = reader.line_num + 1
    except csv.Error as error:  # a quote that isn't closed would swallow the rows below
        wrong.append(
            f"row {start}: {error}; quote a cell as a whole, with quotes in it doubled"
        )
    if wrong or not lines:
        return [], wrong

    (number, header), *lines = lines
    if separator := other_separator(header):
        return [], [f"row {number}: separate the columns by tabs, not by {separator}"]
    for column in header:
        if column and column not in columns:
            wrong.append(
                f"row {number}: unknown column '{column}'; {near(column, columns)}"
            )
        if column and header.count(column) > 1:
            wrong.append(f"row {number}: the column '{column}' occurs twice")

    rows = []
    for number, cells in lines:
        if any(cells[len(header) :]):
            wrong.append(
                f"row {number} ('{shortened(cells[0])}'): {len(cells)} cells for {len(header)} columns; remove a tab, or "
                "name the column in the first row"
            )
        elif separator := other_separator(cells):
            wrong.append(
                f"row {number}: separate the cells by tabs, not by {separator}"
            )
        elif any(cell and not column for column, cell in zip(header, cells)):
            wrong.append(
                f"row {number} ('{shortened(cells[0])}'): a cell in a column without a name"
            )
        else:
            rows.append((number, {c: cell for c, cell in zip(header, cells) if cell}))
    known = [(number, {c: row[c] for c in row if c in columns}) for number, row in rows]
    return known, list(dict.fromkeys(wrong))


def decoded(content):
    """Return the text of a sheet, and what is wrong with its encoding."""
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return "", [
            "it is a file of a spreadsheet program; save it as text with tabs (.tsv)"
        ]
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        return "", ["it is UTF-16 or binary; save it as UTF-8"]
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        word = content[: error.end].split()[-1].decode("latin-1")
        return "", [
            f"row {row}: '{shortened(word)}' is not UTF-8, perhaps latin-1; save the sheet as UTF-8"
        ]


def other_separator(cells):
    """Return what separates the cells of a row, if it isn't tabs; None for a single cell."""
    if len(cells) > 1 and any(cells[1:]):
        return None
    separators = {"semicolons": ";", "commas": ",", "spaces": "  ", "bars": "|"}
    return next(
        (name for name, sign in separators.items() if sign in cells[0]), None
    ) or ("spaces" if len(cells[0].split()) > 1 else None)


def mistakes_of_row(row, schema):
    """Return what in a row doesn't fit the schema, with its column and the column's description."""
    wrong = []
    for error in Draft202012Validator(schema).iter_errors(row):
        column = ".".join(map(str, error.absolute_path))
        message = error.message.replace(
            repr(error.instance), f"'{shortened(error.instance)}'"
        )
        if error.validator == "required":
            column = next(
                c for c in error.validator_value if error.message.startswith(repr(c))
            )
            message = "it is empty"
        elif error.validator == "not":
            message = f"'{shortened(error.instance)}' is reserved"
        about = schema["properties"].get(column, {}).get("description", "")
        wrong.append(
            f"{f', column {column}' if column else ''}: {message}. {about}".rstrip()
        )
    for column in PATHS:
        if set(row.get(column, "")) & set("{}<>"):
            wrong.append(
                f", column {column}: '{shortened(row[column])}' has a brace or an angle bracket, which stand for wildcards "
                "in Snakemake; rename it, or name a link to it"
            )
    return wrong


def mistakes_of_files(row, name, made):
    """Return which files of a row are missing, and which columns of obs it names that its file lacks."""
    wrong = []
    for column in ("path", "obs", "genome"):
        named = row.get(column, made)
        if named != made and not Path(named).exists():
            wrong.append(
                f"{column}: there is no '{shortened(named)}' in {os.getcwd()}; "
                f"correct the path, or set {name}_exist: false if a rule makes it"
            )
    columns = columns_of_obs(row) if not wrong and workflow.is_main_process else None
    for column in COLUMNS_OF_OBS if columns else ():
        named = row.get(column, "")
        if (
            named
            and named not in columns
            and not (column == "donor" and named == "index")
        ):
            wrong.append(
                f"{column}: obs of '{row['path']}' has no column '{named}'; {near(named, columns)}"
            )
    return wrong


def columns_of_obs(row):
    """Return the names of the columns of a cohort's obs; None where they can't be read at once."""
    path = row.get("path", "")
    try:
        if Path(path).suffix == ".h5ad":
            import h5py

            with h5py.File(path) as file:
                obs = file["obs"]
                columns = set(obs.dtype.names if isinstance(obs, h5py.Dataset) else obs)
        elif Path(path).suffix == ".zarr":
            columns = {
                entry.name for entry in Path(path, "obs").iterdir() if entry.is_dir()
            }
        else:
            return None
        if table := row.get("obs"):
            if table.endswith(".gz"):
                return None
            with open(table, encoding="utf-8-sig", newline="") as lines:
                signs = "," if table.endswith(".csv") else "\t"
                columns |= set(next(csv.reader(lines, delimiter=signs), []))
    except (
        Exception
    ):  # no h5py here, or a file that isn't whole: `genes check` says what is wrong with it
        return None
    return columns


def file_name(column, value):
    """Return a value of a sheet; a path that begins with a dash as one that no command takes for an option."""
    return (
        os.path.abspath(value) if column in PATHS and value.startswith("-") else value
    )


def near(name, known):
    """Return the second half of a message about an unknown name: the nearest known ones, or all."""
    known = sorted(map(str, known))
    matches = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    if matches:
        return f"did you mean {' or '.join(map(repr, matches))}?"
    return f"there are: {', '.join(known[:30])}{', ...' if len(known) > 30 else ''}"


def row_of(mistake):
    """Return the number of the row that a mistake is in; 0 for the whole sheet."""
    number = mistake.removeprefix("row ").partition(" ")[0].rstrip(":")
    return int(number) if number.isdigit() else 0


def shortened(value):
    """Return a value for a message."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
