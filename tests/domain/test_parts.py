"""Samples explained in parts and shards: resumed, gathered, and the same as explained at once."""

import numpy as np
import pandas as pd
import pytest

from lrp_domains.domain import (
    DomainError,
    Outcome,
    Shard,
    arrays_of,
    choose_examples,
    explain_parts,
    gather_parts,
    near_chance,
    outcome_table,
    read_arrays,
    read_outcomes,
)  # fmt: skip
from lrp_domains.domain.results.outcomes import confusion, ledger_rows, overview, warnings_of

SAMPLES = [f"sample {number}" for number in range(11)]


class Interrupted(Exception):
    pass


def explaining(seen, until=None):
    def explain(names):
        if until is not None and len(seen) >= until:
            raise Interrupted
        seen.extend(names)
        outcomes = [
            Outcome(name, score=len(name), units=1.5, label="a", prediction="b", probability=0.5) for name in names
        ]
        return outcomes, [np.full(3, int(name.split()[1])) for name in names]

    return explain


def result(path):
    return read_outcomes(path), read_arrays(arrays_of(path))


def assert_equal(one, other):
    pd.testing.assert_frame_equal(one[0], other[0])
    assert list(one[1]) == list(other[1]) and all((one[1][name] == other[1][name]).all() for name in one[1])


def test_one_array_per_sample_by_its_number(tmp_path):
    assert explain_parts(explaining([]), SAMPLES, tmp_path / "out.parquet", request="r", part=4) == 0
    table, arrays = result(tmp_path / "out.parquet")
    assert table["name"].tolist() == SAMPLES and table["sample"].tolist() == list(range(11))
    assert (table["rest"] == table["score"] - 1.5).all() and table["target"].isna().all()
    assert {name: array.tolist() for name, array in arrays.items()} == {str(n): [n] * 3 for n in range(11)}


def test_several_arrays_per_sample_by_name(tmp_path):
    def explain(names):
        return explaining([])(names)[0], [{"": np.array(len(name)), "name": np.array(name)} for name in names]

    explain_parts(explain, SAMPLES[:2], tmp_path / "out.parquet", request="r", part=1)
    arrays = result(tmp_path / "out.parquet")[1]
    assert {name: array.item() for name, array in arrays.items()} == {
        "0": 8, "0.name": "sample 0", "1": 8, "1.name": "sample 1"
    }  # fmt: skip


def test_an_interrupted_run_resumes_and_another_request_begins_anew(tmp_path):
    out = tmp_path / "out.parquet"
    with pytest.raises(Interrupted):
        explain_parts(explaining([], until=8), SAMPLES, out, request="r", part=4)
    assert not out.exists() and not arrays_of(out).exists()
    seen = []
    assert explain_parts(explaining(seen), SAMPLES, out, request="r", part=4) == 8
    assert seen == SAMPLES[8:]
    explain_parts(explaining([]), SAMPLES, tmp_path / "once.parquet", request="r", part=4)
    assert_equal(result(out), result(tmp_path / "once.parquet"))

    with pytest.raises(Interrupted):
        explain_parts(explaining([], until=8), SAMPLES, out, request="r", part=4)
    assert explain_parts(explaining([]), SAMPLES, out, request="another", part=4) == 0


def test_shards_are_gathered(tmp_path):
    explain_parts(explaining([]), SAMPLES, tmp_path / "once.parquet", request="r")
    shards = [tmp_path / f"{n}.parquet" for n in (1, 2, 3)]
    for number, path in enumerate(shards, 1):
        explain_parts(explaining([]), SAMPLES, path, request="r", shard=Shard(number, 3), part=2)
    assert gather_parts(shards, tmp_path / "all.parquet") == 11
    assert_equal(result(tmp_path / "all.parquet"), result(tmp_path / "once.parquet"))
    for some in (shards[:2], shards[1:]):
        with pytest.raises(DomainError, match="pass each shard once, in order"):
            gather_parts(some, tmp_path / "some.parquet")
        assert not arrays_of(tmp_path / "some.parquet").exists()
    arrays_of(shards[0]).unlink()
    with pytest.raises(DomainError, match=r"no file '.*1\.npz', which belongs to a table"):
        gather_parts(shards, tmp_path / "some.parquet")
    for shard, message in ((Shard(4, 3), "there is no shard 4 of 3"), (Shard(1, 12), "shard 1 of 12 is empty")):
        with pytest.raises(DomainError, match=message):
            explain_parts(explaining([]), SAMPLES, tmp_path / "x.parquet", request="r", shard=shard)


def test_bad_paths_and_no_samples(tmp_path):
    for samples, name, message in (([], "x.parquet", "nothing to explain"), (SAMPLES, "x.csv", "written as .parquet")):
        with pytest.raises(DomainError, match=message):
            explain_parts(explaining([]), samples, tmp_path / name, request="r")


def outcomes(rows):
    known = [{"label": label, "prediction": predicted, "probability": p, "score": p} for label, predicted, p in rows]
    return outcome_table([Outcome(str(number), units=0.5, **row) for number, row in enumerate(known)])


def test_examples_of_each_kind():
    table = outcomes([("a", "a", 0.9), ("a", "a", 0.8), ("b", "b", 0.7), ("a", "b", 0.95), ("b", "a", 0.51)])
    chosen = choose_examples(table, 2)
    assert chosen == {"Most confident": [0, 2], "Most wrong": [3, 4], "Closest calls": [4, 2]}
    assert list(choose_examples(table.assign(label=None), 1)) == ["Most confident", "Closest calls"]
    assert choose_examples(table.assign(probability=np.nan), 1) == {"Highest": [3], "Lowest": [4]}


def test_what_a_report_says():
    table = outcomes([("a", "a", 0.9), ("b", "a", 0.6), ("b", None, 0.5)])
    assert overview(table, "pictures") == [
        ("3", "pictures"), ("50.0%", "predicted as labelled"), ("60.0%", "median probability of the prediction")
    ]  # fmt: skip
    assert confusion(table).to_numpy().tolist() == [[1], [1]]
    assert "of these 2 pictures" in warnings_of(table, "pictures")[0]
    assert ledger_rows(table, {"units": "pixels", "rest": "biases"})[1] == ("pixels", 0.5, 0.5)
    against = table.assign(reference_score=1.0)
    assert ledger_rows(against, {"units": "p", "rest": "r"})[0][1] == pytest.approx((0.9 + 0.6 + 0.5) / 3 - 1)


def test_a_model_near_chance():
    labels = ["a", "b"] * 20
    assert near_chance(labels, labels, "pictures") == ()
    assert "40 pictures" in near_chance(labels, ["a"] * 40, "pictures")[0]
