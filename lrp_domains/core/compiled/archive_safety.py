"""Whether a torch.export file is only data. Its format can contain pickles, compiled code, expressions to evaluate.

``torch.export.load`` executes all of these without asking (torch 2.13, ``torch/export/pt2_archive/_package.py``).
"""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import torch

# What a graph may call: operations of PyTorch, and arithmetic on sizes. PyTorch follows any path of attributes, such as
# _operator.attrgetter or torch.ops.aten.__getattr__.__builtins__.get.
_CALLED = re.compile(
    r"torch\.ops\.(aten|prims|higher_order)\.(?!__)\w+(\.(?!_)\w+)?"
    r"|torch\.ops\.aten\.__i?(and|or|xor|lshift|rshift)__(\.(?!_)\w+)?"
    r"|torch\.sym_[a-z]+|torch\._sym_[a-z]+"
    r"|_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem)"
    r"|math\.(trunc|ceil|floor|sqrt)"
)
# A size is an expression that sympy evaluates as Python, such as Mul(Integer(8), Symbol('s0', positive=True)).
_MADE_OF = (
    "Integer|Float|Rational|Symbol|Add|Mul|Pow|Min|Max|Mod|PythonMod|FloorDiv|CeilDiv|CleanDiv|ModularIndexing|IntTrueDiv"
    "|FloatTrueDiv|ToFloat|Where|Eq|Ne|Lt|Le|Gt|Ge|And|Or|Not|Equality|Unequality|LessThan|GreaterThan|StrictLessThan"
    "|StrictGreaterThan"
)
_SIZE = re.compile(
    rf"(?:(?:{_MADE_OF})\(|'\w+'|[a-z]+=(?=True\b|False\b)|(?:True|False|[su]\d+)\b|\d+(?:\.\d+)?\b"
    r"|\)(?!\s*\()|[-+*/%,<>&|~=\s]|==)*"
)


def code_in(file: Path) -> str | None:
    """Return what would be executed when a torch.export file is read; None for a file of data."""
    with ZipFile(file) as archive:
        names = archive.namelist()
        if len({name.lower() for name in names}) < len(names):  # PyTorch's reader might read the other one
            return "two parts of the same name"
        for name in names:
            path = PurePosixPath(name.lower())
            if "aotinductor" in path.parts or path.suffix in (".so", ".dll", ".dylib"):
                return f"compiled code ({path.name})"
            if path.name.startswith(("custom_obj", "opaque_obj")):
                return f"a pickled object ({path.name})"
            if path.suffix == ".pt" and not _is_data(archive.read(name)):  # read later without weights_only
                return f"a pickled object ({path.name})"
            if path.suffix == ".json" or "models" in path.parts[:-1]:
                for key, value in _entries(json.loads(archive.read(name))):
                    if key == "use_pickle" and value is not False:
                        return f"a pickled tensor (in {path.name})"
                    if key == "target" and not _CALLED.fullmatch(str(value)):
                        return f"a call of {value}"
                    if key == "expr_str" and not _SIZE.fullmatch(str(value)):
                        return f"a size to evaluate, {value}"
    return None


def _is_data(content: bytes) -> bool:
    """Return whether a .pt file can be read without unpickling objects."""
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # zip and pickle raise many kinds
        return not content
    return True


def _entries(node) -> Iterator[tuple[str, object]]:
    """Yield every key with its value, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, dict | list):
                yield from _entries(value)
            else:
                yield key, value
    elif isinstance(node, list):
        for value in node:
            yield from _entries(value)
