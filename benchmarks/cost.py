"""Time and memory of explanations, gradients and predictions: ``python -m benchmarks.cost``.

It measures the subjects of `benchmarks.subjects` that haven't been measured with the code as it is, so that it resumes
where it was stopped. ``--subject NAME`` measures those whose names contain NAME, in any case. Each subject is a file of
``benchmarks/results/cost``; `benchmarks.performance` makes ``docs/performance.md`` of them. ``--quick`` is a short
form, into ``build/bench``.

Each method first runs in a process of its own, which is the only way to know its memory and what a first call takes; a
method that fails there is a row that says why. The others then take turns in one process, so that their ratios don't
depend on the state of the machine.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from .measure import RESULTS, SPARING, cpu_time, machine, peak_mb, reset_peak, resident_mb
from .methods import GRADIENT, METHODS
from .peers import PEERS
from .subjects import SUBJECTS, make

ROOT = Path(__file__).parents[1]
ALL = METHODS | PEERS
# In seconds: what takes longer takes no turns but is run once, or is left out; the turns of all methods together.
ONCE, TOO_LONG, TURNS = 20.0, 150.0, 40.0
ROUNDS = 3, 21  # at least, at most
TIMEOUT = 3600.0
Record = dict[str, Any]


def measure(subject_name: str, quick: bool) -> Record:
    """Measure all methods on a subject."""
    names = [name for name, method in ALL.items() if subject_name.startswith(method.suits)]
    with tempfile.TemporaryDirectory() as folder:
        caches = Path(folder)
        # PyTorch compiles its headers once per machine, which isn't part of a first call.
        _process(caches / "headers", "headers")
        methods = {GRADIENT: _first(caches, subject_name, GRADIENT, 0.0, quick)}
        seconds = methods[GRADIENT]["later"][0]
        others = [name for name in names if name != GRADIENT]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda name: _first(caches, subject_name, name, seconds, quick), others)
            methods |= zip(others, found, strict=True)

        for cache in (caches / "alone").iterdir():
            shutil.copytree(cache, caches / "together", dirs_exist_ok=True)
        turns = [name for name in names if "later" in methods[name] and not methods[name]["once"]]
        together = _process(caches / "together", "together", subject_name, "quick" if quick else "", *turns)
    if "failed" in together:
        raise RuntimeError(f"{subject_name}: {together['failed']}")
    for name in turns:
        methods[name] |= together[name]
    return {
        "subject": subject_name,
        "machine": machine(),
        "code": code(),
        "methods": {name: methods[name] for name in names},
    }


def _first(caches: Path, subject_name: str, name: str, seconds: float, quick: bool) -> Record:
    """Run a method in a process of its own, unless it takes too long; ``seconds`` is what a gradient takes."""
    method = ALL[name]
    expected = method.gradients * seconds
    once = method.alters or method.gradients > 10 or (method.gradients > 1 and expected > ONCE)
    found: Record = {"library": method.library, "once": once}
    if expected > TOO_LONG or (quick and once and not method.alters):
        found["left out"] = f"takes about {method.gradients:.0f} gradients of {seconds:.1f} s"
    else:
        # Nothing is compiled yet in a process of its own, and everything when the methods take turns.
        cache = caches / "alone" / str(list(ALL).index(name))
        found |= _process(cache, "alone", subject_name, name, "once" if once else "")
    print(f"  {name}: {_short(found)}", flush=True)
    return found


def _short(found: Record) -> str:
    if "later" in found:
        return f"{found['first']:.2f} s, then {found['later'][0]:.2f} s, {found['working MB']:.0f} MB"
    return found.get("failed") or found["left out"]


# ---- In processes of their own


def alone(subject_name: str, method_name: str, once: str) -> Record:
    """Measure the first and a later call of one method: CPU seconds, and memory in MB.

    What runs once is measured next to a gradient in the same process.
    """
    subject, method = make(subject_name), ALL[method_name]
    gradient = []
    if once:
        run = METHODS[GRADIENT].prepare(subject)
        run()
        gradient = [_seconds(run)]
    gc.collect()
    loaded = resident_mb()
    reset_peak()

    before = cpu_time()
    try:
        run = method.prepare(subject)
        run()
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {_first_sentence(str(error))}"}
    first = cpu_time() - before
    if once:
        return {
            "first": first, "later": [first], "gradient": gradient, "working MB": peak_mb() - loaded, "kept MB": None,
        }  # fmt: skip

    gc.collect()
    kept = resident_mb()
    reset_peak()
    return {"first": first, "later": [_seconds(run)], "working MB": peak_mb() - kept, "kept MB": kept - loaded}


def together(subject_name: str, quick: str, *names: str) -> Record:
    """Measure later calls of methods that take turns, and compare what they return."""
    subject = make(subject_name)
    runs = {name: ALL[name].prepare(subject) for name in names}
    results = {name: run() for name, run in runs.items()}
    found: Record = {name: {"later": [], "difference": None} for name in names}
    for name in names:
        ours = results.get(ALL[name].same_as or "")
        if ours is not None:
            found[name]["difference"] = float((results[name] - ours).abs().max() / ours.abs().max())
    del results

    begin, done = time.process_time(), 0
    least, most = (1, 1) if quick else ROUNDS
    while done < least or (done < most and time.process_time() - begin < TURNS):
        for name, run in runs.items():
            found[name]["later"].append(_seconds(run))
        done += 1
    return found


def headers() -> Record:
    """Compile something small."""
    torch.compile(lambda x: (x.sin() + x).sum())(torch.ones(1_000))
    return {}


def _seconds(run) -> float:
    before = time.process_time()
    run()
    return time.process_time() - before


def _first_sentence(message: str) -> str:
    without_paths = re.sub(r"\s*\(/[^)]*\)?", "", message.strip())
    return re.split(r"(?<=[.;])\s|\n", without_paths)[0][:160]


def _process(cache: Path, *arguments: str) -> Record:
    """Run ``python -m benchmarks.cost`` and return the JSON that it prints last, or why there is none."""
    cache.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(cache),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        **(SPARING if arguments[0] == "alone" else {}),
    }
    command = [sys.executable, "-m", "benchmarks.cost", "--process", *arguments]
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"took longer than {TIMEOUT:.0f} s"}
    if process.returncode:
        lines = process.stderr.strip().splitlines() or [f"ended with {process.returncode}"]
        return {"failed": _first_sentence(lines[-1])}
    return json.loads(process.stdout.splitlines()[-1])


# ---- All subjects


def code() -> str:
    """Return a fingerprint of what is measured."""
    here = Path(__file__).parent
    files = sorted((ROOT / "lrp_domains" / "core").rglob("*.py"))
    files += [here / f"{name}.py" for name in ("subjects", "methods", "peers")]
    versions = machine().encode()
    return hashlib.sha256(versions + b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def file_of(subject_name: str, folder: Path) -> Path:
    return folder / (re.sub(r"\W+", "_", subject_name).strip("_").lower() + ".json")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the cost of explanations.")
    parser.add_argument("--subject", action="append", help="measure subjects whose names contain this, in any case")
    parser.add_argument("--quick", action="store_true", help="take one turn each, and leave out what takes long")
    options = parser.parse_args()
    folder = ROOT / "build" / "bench" if options.quick else RESULTS / "cost"
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in SUBJECTS if any(part in name for part in options.subject or [""])]
    if not names:
        parser.error(f"no such subject; there are {', '.join(SUBJECTS)}")
    for name in names:
        path = file_of(name, folder)
        if not options.subject and path.exists() and json.loads(path.read_text())["code"] == code():
            print(f"{name}: measured already")
            continue
        begin = time.perf_counter()
        print(name, flush=True)
        path.write_text(json.dumps(measure(name, options.quick), indent=1) + "\n")
        print(f"  measured in {time.perf_counter() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--process"]:
        warnings.simplefilter("ignore")
        function = {"alone": alone, "together": together, "headers": headers}[sys.argv[2]]
        print("\n" + json.dumps(function(*sys.argv[3:])))
    else:
        main()
