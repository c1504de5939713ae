"""Files that are no saved explanations, or hold code, are refused before anything of them runs."""

import json
import os
import pickle
from zipfile import ZipFile

import pytest
import torch
from torch import nn

from lrp_domains import RelevanceError, compile, load_compiled


@pytest.fixture
def saved(tmp_path):
    x, model, file = torch.randn(4, 5), nn.Linear(5, 3).eval(), tmp_path / "saved.pt2"
    compile(lambda x: model(x)[:, 1], x).save(file, x)
    return file


def rewritten(saved, change):
    """Rewrite each part of a file; a part is dropped if the change returns None."""
    with ZipFile(saved) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(saved, "w") as archive:
        for name, content in parts.items():
            if (new := change(name, content)) is not None:
                archive.writestr(name, new)


def of_another_version(name, content):
    return json.dumps(json.loads(content) | {"version": 99}).encode() if name.endswith("lrp_domains.json") else content


def without_ours(name, content):
    return None if name.endswith("lrp_domains.json") else content


def exported_by_others(saved):
    torch.export.save(torch.export.export(nn.Linear(5, 3), (torch.randn(4, 5),)), saved)


BROKEN = {
    "truncated": (lambda saved: os.truncate(saved, saved.stat().st_size // 2), "is not an explanation"),
    "empty": (lambda saved: saved.write_bytes(b""), "is not an explanation"),
    "text": (lambda saved: saved.write_text("no archive"), "is not an explanation"),
    "pickle": (lambda saved: saved.write_bytes(pickle.dumps({})), "is not an explanation"),
    "checkpoint": (lambda saved: torch.save({}, saved), "is not an explanation"),
    "other export": (exported_by_others, "is not an explanation"),
    "without ours": (lambda saved: rewritten(saved, without_ours), "is not an explanation"),
    "version": (lambda saved: rewritten(saved, of_another_version), "version 99"),
    "missing": (lambda saved: saved.unlink(), "is not a file"),
    "folder": (lambda saved: (saved.unlink(), saved.mkdir()), "is not a file"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_other_files_are_refused(saved, name):
    breaking, message = BROKEN[name]
    breaking(saved)
    with pytest.raises(RelevanceError, match=message):
        load_compiled(saved)


class Attack:
    """Make a file when it is unpickled."""

    def __init__(self, file) -> None:
        self.file = str(file)

    def __reduce__(self):
        return open, (self.file, "w")


def with_pickled_weights(saved, attack):
    def change(name, content):
        return content.replace(b'"use_pickle": false', b'"use_pickle": true')

    rewritten(saved, change)


def with_a_pickle(saved, attack):
    with ZipFile(saved, "a") as archive:
        archive.writestr("saved/data/constants/custom_obj_0", pickle.dumps(attack))


def with_pickled_examples(saved, attack):
    def change(name, content):
        return pickle.dumps(attack) if name.endswith(".pt") and "sample_inputs" in name else content

    rewritten(saved, change)


def with_a_call(saved, attack):
    def change(name, content):
        return content.replace(b'"torch.ops.aten.addmm.default"', b'"builtins.eval"') if "models/" in name else content

    rewritten(saved, change)


@pytest.mark.parametrize("attack", [with_pickled_weights, with_a_pickle, with_pickled_examples, with_a_call])
def test_code_is_refused(saved, attack, tmp_path):
    before = saved.read_bytes()
    attack(saved, Attack(tmp_path / "attacked"))
    assert saved.read_bytes() != before
    with pytest.raises(RelevanceError, match="which would be executed"):
        load_compiled(saved)
    assert not (tmp_path / "attacked").exists()
