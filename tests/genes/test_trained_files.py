"""Trained models in files, and interrupted training."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lrp_domains.genes import CohortError, Training, load_trained, made_cohort, relevance, save_model, train
from lrp_domains.genes.models.classifier import GeneClassifier

from .training_cohorts import KINDS, QUICK, planted


@pytest.mark.parametrize("network", KINDS)
def test_a_model_is_the_same_after_writing_and_loading(network, tmp_path):
    adata = planted("value", rows=60)
    settings = Training(folds=3, network=network, hidden=8, epochs=2, members=2)
    model = train(adata, "wanted", task="value", training=settings)
    save_model(model, tmp_path / "models.pt")
    again = load_trained(tmp_path / "models.pt")
    assert again.digest() == model.digest() and again.training == model.training
    assert (again.task, again.classes, again.expects) == (model.task, model.classes, model.expects)
    pd.testing.assert_series_equal(again.folds, model.folds)
    pd.testing.assert_frame_equal(again.performance, model.performance)
    again_explained, explained = adata.copy(), adata.copy()
    relevance(explained, model)
    relevance(again_explained, again)
    np.testing.assert_array_equal(explained.layers["lrp"], again_explained.layers["lrp"])


def test_files_that_are_not_models_are_refused(tmp_path):
    path = tmp_path / "models.pt"
    model = train(made_cohort(), "group", training=Training(folds=3, hidden=4, epochs=1))
    save_model(model, path)
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"no model"):
        path.write_bytes(broken)
        with pytest.raises(CohortError, match="not a whole file of trained models"):
            load_trained(path)
    content = torch.load(_written(path, whole), weights_only=True)
    for changed, message in (
        ({"format": 1}, "format 1, this version reads"),
        ({"classes": ["one", "two"]}, "not a whole file"),
        ({"training": {}}, "not a whole file"),
    ):
        torch.save(content | changed, path)
        with pytest.raises(CohortError, match=message):
            load_trained(path)
    torch.save({"weights": GeneClassifier(3, 2)}, path)  # a pickle with code, which must not be run
    with pytest.raises(CohortError, match="not a whole file"):
        load_trained(path)
    with pytest.raises(CohortError, match="there is no file"):
        load_trained(tmp_path / "other.pt")
    custom = train(made_cohort(), "group", network=nn.Linear, training=QUICK)
    with pytest.raises(CohortError, match="only built-in networks"):
        save_model(custom, path)


def _written(path, content):
    path.write_bytes(content)
    return path


def test_an_interrupted_training_resumes(tmp_path):
    adata = made_cohort()
    settings = Training(folds=3, hidden=8, epochs=4, members=2)
    whole = train(adata, "group", training=settings)

    def interrupted(items, description):
        yield from itertools.islice(items, 4)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(adata, "group", training=settings, resume=tmp_path, progress=interrupted)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.pt")}
    assert len(files) == 4
    broken = next(iter(files))
    broken.write_bytes(b"half")
    resumed = train(adata, "group", training=settings, resume=tmp_path)
    assert resumed.digest() == whole.digest() and len(list(tmp_path.glob("*.pt"))) == 6
    pd.testing.assert_frame_equal(resumed.performance, whole.performance)
    assert all(path.stat().st_mtime_ns == at for path, at in files.items() if path != broken)
    adata.X.data[0] += 1  # other data, other networks
    train(adata, "group", training=settings, resume=tmp_path)
    assert len(list(tmp_path.glob("*.pt"))) == 12
