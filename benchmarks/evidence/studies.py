"""Studies of genes and images, each measured once and kept in a file with the others of its kind."""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ..measure import RESULTS, machine

Record = dict[str, Any]


def run(
    kind: str,
    names: Iterable[str],
    measure: Callable[[str, Path | None], Record],
    description: str,
    *,
    reads_folder: bool = True,
) -> None:
    """Measure studies, as a command with the folder of the data; those that were measured only if they are named.

    Parameters
    ----------
    kind
        The name of the file of results.
    names
        Of the studies.
    measure
        From the name of a study and the folder to its record.
    description
        What the command is for.
    reads_folder
        Whether there is a folder of data; if not, it is None.
    """
    parser = argparse.ArgumentParser(description=description)
    if reads_folder:
        parser.add_argument("folder", type=Path)
    parser.add_argument("--study", action="append", choices=list(names))
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    path = RESULTS / "evidence" / f"{kind}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = json.loads(path.read_text()) if path.exists() else {"studies": {}}
    for name in options.study or names:
        if name in record["studies"] and not options.study:
            continue
        begin = time.process_time()
        record["studies"][name] = measure(name, getattr(options, "folder", None)) | {"machine": machine()}
        path.write_text(json.dumps(record).replace("}, {", "},\n{") + "\n")  # a row per line
        print(f"{name}: {time.process_time() - begin:.0f} CPU seconds", flush=True)


def rounded(table: pd.DataFrame) -> list[Record]:
    """Return rows, in five significant digits."""
    return [
        {key: float(f"{value:.5g}") if isinstance(value, float) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]
