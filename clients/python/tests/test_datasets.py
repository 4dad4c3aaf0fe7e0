import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipekit_experiment import errors
from pipekit_experiment.datasets import ArrayDataset, Dataset, FileDataset
from pipekit_experiment.operators import from_yaml, to_yaml


@pytest.fixture
def no_daemon(monkeypatch, tmp_path):
    monkeypatch.setenv("PKX_ENDPOINT", f"unix:{tmp_path}/nobody.sock")


def reader(path):
    """A user's own format."""
    if os.path.isdir(path):
        return {"x": np.array([len(os.listdir(path))])}
    return {"x": np.frombuffer(open(path, "rb").read(), np.uint8)}


def no_reader(path):
    return 1


DTYPES = st.one_of(
    hnp.scalar_dtypes(),
    hnp.unicode_string_dtypes(max_len=4),
    hnp.byte_string_dtypes(max_len=4),
)


class TestArrays:
    @settings(deadline=None, max_examples=80)
    @given(st.data())
    def test_what_is_saved_is_what_is_read_and_has_the_same_hash(self, tmp_path_factory, data):
        shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
        names = data.draw(st.lists(st.text("abéx_ 1", min_size=1, max_size=4), max_size=3, unique=True))
        arrays = {name: data.draw(hnp.arrays(data.draw(DTYPES), shapes)) for name in names}
        made = ArrayDataset(**arrays)
        path = tmp_path_factory.mktemp("d") / "data.npz"
        made.save(path)
        content = path.read_bytes()
        assert made.content_hash() == hashlib.md5(content).hexdigest()
        assert made.content_sha256() == hashlib.sha256(content).hexdigest()
        back = dict(np.load(path, allow_pickle=False))
        assert back.keys() == arrays.keys()
        for name, array in arrays.items():
            assert back[name].shape == array.shape
            assert back[name].dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
            assert (
                back[name].tobytes() == np.asarray(array, array.dtype.newbyteorder("<"), order="C").tobytes()
            )

    def test_the_hash_is_that_of_the_values(self):
        x = np.arange(6.0).reshape(2, 3)
        base = ArrayDataset(x=x, y=[1, 2]).content_hash()
        assert base == "062f6eddf50963f5938811b703d82757", "as it was in every version"
        assert ArrayDataset(y=[1, 2], x=np.asfortranarray(x)).content_hash() == base
        assert ArrayDataset(x=x.astype(">f8"), y=[1, 2]).content_hash() == base
        others = {
            ArrayDataset(x=x + 1, y=[1, 2]).content_hash(),
            ArrayDataset(x=x.reshape(3, 2), y=[1, 2]).content_hash(),
            ArrayDataset(x=x.astype(np.float32), y=[1, 2]).content_hash(),
            ArrayDataset(z=x, y=[1, 2]).content_hash(),
        }
        assert len(others | {base}) == 5

    def test_from_its_state_comes_a_data_set_that_knows_its_hash_only(self):
        made = ArrayDataset(x=[1, 2])
        assert isinstance(made, Dataset)
        back = from_yaml(to_yaml(made))
        assert back.content_hash() == made.content_hash()
        with pytest.raises(errors.DatasetNotFoundError, match="in memory only"):
            back.arrays()

    def test_python_objects_are_refused(self):
        with pytest.raises(errors.InvalidArgumentError, match="'y' has dtype object") as caught:
            ArrayDataset(x=[1], y=[object()])
        assert caught.value.field == "y"


class TestFiles:
    def test_a_file_has_its_hash_without_a_daemon(self, tmp_path, no_daemon):
        made = ArrayDataset(x=np.eye(3), y=[1, 2, 3])
        made.save(tmp_path / "d.npz")
        found = FileDataset(tmp_path / "d.npz")
        assert (found.content_hash(), found.content_sha256()) == (made.content_hash(), made.content_sha256())
        assert np.array_equal(found.arrays()["x"], np.eye(3))

    def test_a_changed_file_has_another_hash(self, tmp_path, no_daemon):
        path = tmp_path / "d.npz"
        ArrayDataset(x=[1]).save(path)
        first = FileDataset(path).content_hash()
        ArrayDataset(x=[2]).save(path)
        assert FileDataset(path).content_hash() != first

    def test_the_daemon_gives_the_hash_of_files_and_folders(self, tmp_path, real_daemon):
        folder = tmp_path / "data"
        folder.mkdir()
        (folder / "b").write_bytes(b"two")
        (folder / "a").write_bytes(b"one")
        file = FileDataset(folder / "a", "test_datasets:reader")
        assert file.content_hash() == hashlib.md5(b"one").hexdigest()
        # The listing as DVC writes it.
        listing = ", ".join(
            f'{{"md5": "{hashlib.md5(data).hexdigest()}", "relpath": "{name}"}}'
            for name, data in (("a", b"one"), ("b", b"two"))
        )
        made = FileDataset(folder, "test_datasets:reader")
        assert made.content_hash() == hashlib.md5(f"[{listing}]".encode()).hexdigest() + ".dir"
        assert made.arrays()["x"][0] == 2

    def test_a_table_gives_x_and_y(self, tmp_path, no_daemon):
        path = tmp_path / "t.csv"
        path.write_text('﻿a,b,label\n1,0.5,cat\n2,-1e3,"d,og"\n', encoding="utf-8")
        columns = FileDataset(path, "csv").arrays()
        assert {name: column.dtype.kind for name, column in columns.items()} == {
            "a": "i",
            "b": "f",
            "label": "U",
        }
        table = FileDataset(path, "csv", target="label").arrays()
        assert table["x"].tolist() == [[1, 0.5], [2, -1000]]
        assert table["y"].tolist() == ["cat", "d,og"]

    def test_a_table_of_parquet_gives_x_and_y(self, tmp_path, no_daemon):
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.table({"a": [1.0, 2.0], "y": [3, 4]}), tmp_path / "t.parquet")
        table = FileDataset(tmp_path / "t.parquet", "parquet", target="y").arrays()
        assert (table["x"].tolist(), table["y"].tolist()) == ([[1.0], [2.0]], [3, 4])

    @pytest.mark.parametrize(
        ("name", "format", "content", "target", "said"),
        [
            ("d.npz", "npz", b"no zip", None, "cannot be read as npz"),
            ("d.csv", "csv", b"a,b\n1\n", None, "line 2 has 1 columns"),
            ("d.csv", "csv", b"a,a\n1,2\n", None, "one name"),
            ("d.csv", "csv", b"\xff\xfe\x00", None, "cannot be read as csv"),
            ("d.csv", "csv", b"a,b\n1,2\n", "c", "no column 'c'"),
            ("d.csv", "csv", b"a,b\nx,2\n", "b", "'a' .* holds no numbers"),
            ("d.parquet", "parquet", b"PAR1", None, "cannot be read as parquet"),
            ("d.bin", "test_datasets:no_reader", b"", None, "gave a int"),
        ],
    )
    def test_what_is_not_of_the_format_is_told(
        self, tmp_path, no_daemon, name, format, content, target, said
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(errors.InvalidArgumentError, match=said):
            FileDataset(tmp_path / name, format, target=target).arrays()

    @pytest.mark.parametrize(("format", "target"), [("feather", None), ("npz", "y"), ("a:b", "y")])
    def test_bad_arguments_are_refused(self, format, target):
        with pytest.raises(errors.InvalidArgumentError):
            FileDataset("x", format, target=target)

    def test_its_state_names_the_data_and_the_reader_needs_trust(self, tmp_path, no_daemon):
        path = tmp_path / "d.bin"
        path.write_bytes(b"ab")
        made = FileDataset(path, "test_datasets:reader", repo=tmp_path)
        config = made.state["config"]
        hash = hashlib.md5(b"ab").hexdigest()
        assert config == {
            "path": str(path),
            "format": "test_datasets:reader",
            "hash": hash,
            "repo": str(tmp_path),
        }
        with pytest.raises(errors.UntrustedModuleError, match="test_datasets"):
            from_yaml(to_yaml(made))
        back = from_yaml(to_yaml(made), trust=["test_datasets"])
        assert back.state == made.state
        assert back.arrays()["x"].tolist() == [97, 98]

    def test_data_other_than_those_meant_are_refused(self, tmp_path, no_daemon):
        path = tmp_path / "d.npz"
        ArrayDataset(x=[1]).save(path)
        meant = from_yaml(to_yaml(FileDataset(path)))
        ArrayDataset(x=[2]).save(path)
        with pytest.raises(errors.DatasetChangedError, match=meant.hash):
            meant.arrays()
        path.unlink()
        with pytest.raises(errors.ArtifactUnreadableError, match=r"repo.*hash"):
            meant.arrays()
        assert from_yaml(to_yaml(meant)).hash == meant.hash, "its state needs no file"

    def test_to_fetch_needs_repo_and_hash(self, tmp_path):
        for given_values, field in (({}, "repo"), ({"repo": tmp_path}, "hash")):
            with pytest.raises(errors.InvalidArgumentError) as caught:
                FileDataset(tmp_path / "x", **given_values).fetch()
            assert caught.value.field == field

    def test_data_that_are_gone_come_back_by_their_hash(self, tmp_path, real_daemon):
        dvc = pytest.importorskip("pipekit_experiment.adapters.dvc")
        repo = tmp_path / "repo"
        repo.mkdir()
        command = [sys.executable, "-m", "dvc", "init", "--no-scm", "-q"]
        subprocess.run(command, cwd=repo, env={**os.environ, "DVC_NO_ANALYTICS": "1"}, check=True)
        path = repo / "d.npz"
        ArrayDataset(x=[1, 2]).save(path)
        dvc.DVCDatasetVersioning(str(repo)).add(str(path))
        meant = from_yaml(to_yaml(FileDataset(path, repo=repo)))
        path.unlink()
        assert meant.arrays()["x"].tolist() == [1, 2]
        path.unlink()
        path.write_bytes(b"unsaved")
        with pytest.raises(errors.DatasetChangedError):
            meant.fetch()
        meant.fetch(force=True)
        assert meant.arrays()["x"].tolist() == [1, 2]
