"""What commands import, each in a process of its own."""

import json
import subprocess
import sys

HEAVY = ("torch", "transformers", "sklearn", "scanpy", "anndata", "pandas", "numpy", "matplotlib")
CODE = f"""
import json, sys
from lrp_domains.command_line import app
for arguments in json.loads(sys.argv[1]):
    try: app(arguments)
    except SystemExit as end: code = end.code
    print("\\n" + json.dumps([code, [name for name in {HEAVY} if name in sys.modules]]))
"""


def imported(*commands):
    """Run commands one after another in a new process; return the heavy packages that it has imported after each."""
    lists = [[str(argument) for argument in arguments] for arguments in commands]
    run = subprocess.run([sys.executable, "-c", CODE, json.dumps(lists)], capture_output=True, text=True, check=True)
    ends = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("[")]
    assert [code for code, _ in ends] == [0] * len(commands), run.stdout + run.stderr
    return [set(names) for _, names in ends]
