"""Help and the public names: PyTorch, which takes seconds, is imported only where it computes."""

import subprocess
import sys

import pytest

import lrp_domains


@pytest.mark.parametrize("arguments", [["--help"], ["genes", "--help"], ["text", "explain", "--help"], ["--version"]])
def test_help_does_not_import_torch(arguments):
    code = (
        "import sys; from lrp_domains.command_line import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'numpy', 'pandas', 'transformers', 'anndata') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]", run.stdout + run.stderr


def test_public_names_are_there_when_they_are_used():
    names = {}
    exec("from lrp_domains import *", names)
    assert set(lrp_domains.__all__) <= set(names) and set(lrp_domains.__all__) <= set(dir(lrp_domains))
    assert lrp_domains.relevance is names["relevance"] and isinstance(lrp_domains.ATTN_LRP, lrp_domains.RuleSet)
    with pytest.raises(AttributeError, match="module 'lrp_domains' has no attribute 'relevence'"):
        _ = lrp_domains.relevence
    with pytest.raises(ImportError):
        exec("from lrp_domains import relevence", {})
