"""Files of arrays by name."""

import numpy as np
import pytest

from lrp_domains.domain import DomainError, gather_arrays, read_arrays, writing_arrays


def written(path, arrays):
    with writing_arrays(path) as add:
        for name, array in arrays.items():
            add(name, array)
    return path


def test_numpy_reads_them_and_equal_arrays_make_equal_files(tmp_path):
    arrays = {"0": np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32), "1": np.arange(5)[::2]}
    one, other = (written(tmp_path / name, arrays) for name in ("a.npz", "b.npz"))
    assert one.read_bytes() == other.read_bytes()
    with np.load(one) as file:
        assert all((file[name] == array).all() and file[name].dtype == array.dtype for name, array in arrays.items())
    assert list(read_arrays(one)) == ["0", "1"] and list(read_arrays(one, ["1"])) == ["1"]


def test_gathered_from_several_files(tmp_path):
    paths = [written(tmp_path / f"{n}.npz", {str(n): np.full(2, n)}) for n in range(3)]
    assert gather_arrays(paths, tmp_path / "all.npz") == 3
    assert {name: array.tolist() for name, array in read_arrays(tmp_path / "all.npz").items()} == {
        "0": [0, 0], "1": [1, 1], "2": [2, 2]
    }  # fmt: skip


def test_what_is_wrong_is_named_and_nothing_is_half_written(tmp_path):
    path = written(tmp_path / "a.npz", {"x": np.zeros(2)})
    for call, message in (
        (lambda: read_arrays(tmp_path / "b.npz"), "there is no file"),
        (lambda: read_arrays(path, ["y"]), "has no array 'y'"),
        (lambda: gather_arrays([path, path], tmp_path / "twice.npz"), "has an array 'x', and so has a file before it"),
        (lambda: written(tmp_path / "a.npy", {}), "arrays are written as .npz"),
        (lambda: read_arrays(path.rename(tmp_path / "c.npz").with_name("d.npz")), "there is no file"),
    ):
        with pytest.raises(DomainError, match=message):
            call()
    (tmp_path / "cut.npz").write_bytes((tmp_path / "c.npz").read_bytes()[:60])
    np.save(tmp_path / "one.npy", np.zeros(2))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    np.savez(tmp_path / "code.npz", x=np.array([{}], dtype=object))
    for name, message in (("cut", "could not be read"), ("one", "a single array"), ("code", "could not be read")):
        with pytest.raises(DomainError, match=message):
            read_arrays(tmp_path / f"{name}.npz")
    assert not (tmp_path / "twice.npz").exists()
