"""DVCDatasetVersioning with a real daemon, and the real DVC at the other end."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from dvc_repos import clone, dvc, new_repo, remote

from pipekit_experiment import errors
from pipekit_experiment.adapters.dvc import DVCDatasetVersioning

pytestmark = pytest.mark.usefixtures("real_daemon")

FILES = {"a.txt": b"one\n", "sub/\u00e9\U0001f600.bin": os.urandom(200_000), "empty": b""}


@dataclass
class StandIn:
    """What an artifact has."""

    dataset_hash: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


def fill(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return new_repo(tmp_path / "repo", remote("near", tmp_path / "storage"))


def test_the_module_needs_no_dvc_and_loads_no_grpc():
    program = (
        "import sys; from pipekit_experiment.adapters import dvc;"
        "dvc.DVCDatasetVersioning('.'); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {name.partition(".")[0] for name in done.stdout.split()} & {"dvc", "dvc_data", "grpc"}


def test_data_goes_to_a_remote_and_comes_back_by_its_hash_on_another_host(repo, tmp_path):
    versioning = DVCDatasetVersioning(repo)
    fill(repo / "train")
    told = []
    added = versioning.add("train", progress=told.append)
    assert (added.size, added.files, added.path, added.recorded_in) == (
        sum(map(len, FILES.values())),
        len(FILES),
        "train",
        "train.dvc",
    )
    assert (added.hash[-4:], len(added.sha256)) == (".dir", 64)
    assert versioning.hash("train") == added
    assert [(entry.state, entry.recorded.hash) for entry in versioning.status()] == [
        ("unchanged", added.hash)
    ]
    sent = versioning.push(progress=told.append)
    assert (sent.objects, sent.present) == (4, 0)
    assert str(versioning.push()).startswith("0 objects, 0 B; 4 were there already")

    other = DVCDatasetVersioning(clone(repo, tmp_path / "other"))
    assert [entry.state for entry in other.status()] == ["missing"]
    # The listing, which alone names the files.
    assert [entry.missing_in_cache for entry in other.status()] == [1]
    other.checkout(added.hash, path=tmp_path / "elsewhere")
    assert read(tmp_path / "elsewhere") == FILES
    pulled = other.pull("train")
    assert read(tmp_path / "other/train") == FILES
    assert [version.hash for version in pulled.datasets] == [added.hash]


def test_what_we_push_the_real_dvc_pulls_and_what_it_pushes_we_pull(repo, tmp_path):
    versioning = DVCDatasetVersioning(repo)
    fill(repo / "train")
    versioning.add("train")
    versioning.push()
    theirs = clone(repo, tmp_path / "theirs")
    (theirs / "model.bin").write_bytes(b"weights")
    printed = dvc(theirs, ["pull"], ["status"], ["add", "-q", "model.bin"], ["push", "-q"])
    assert "up to date" in printed
    assert read(theirs / "train") == FILES
    ours = DVCDatasetVersioning(clone(theirs, tmp_path / "ours"))
    ours.pull()
    assert (tmp_path / "ours/model.bin").read_bytes() == b"weights"
    assert {entry.state for entry in ours.status()} == {"unchanged"}


def test_the_hash_is_recorded_in_an_artifact_with_where_the_data_can_be_had(repo, tmp_path):
    (repo / ".dvc/config").write_text(
        (repo / ".dvc/config").read_text()
        + "['remote \"far\"']\n    url = https://user:hunter2@host/x?token=hunter2\n"
    )
    versioning = DVCDatasetVersioning(repo)
    (repo / "rows.csv").write_text("a,b\n")
    artifact = StandIn()
    with pytest.raises(errors.DatasetChangedError, match="not in DVC's keeping") as refused:
        versioning.record_hash_in(artifact, "rows.csv")
    assert "add(" in refused.value.mend
    assert artifact == StandIn()
    added = versioning.add("rows.csv")
    versioning.record_hash_in(artifact, "rows.csv")
    assert artifact.dataset_hash == added.hash == hashlib.md5(b"a,b\n").hexdigest()
    assert artifact.metadata["dataset"] == {
        "dvc": added.hash,
        "sha256": added.sha256,
        "path": "rows.csv",
        "repo": str(repo),
        "remotes": [
            {"name": "near", "url": str(tmp_path / "storage")},
            {"name": "far", "url": "https://host/x"},
        ],
    }
    assert "hunter2" not in json.dumps(artifact.metadata)
    (repo / "rows.csv").write_text("a,b\nc\n")
    with pytest.raises(errors.DatasetChangedError):
        versioning.record_hash_in(artifact, "rows.csv")


def test_what_nobody_has_is_named_with_the_remotes(repo, tmp_path):
    versioning = DVCDatasetVersioning(repo)
    (tmp_path / "storage").mkdir()
    with pytest.raises(errors.DatasetNotFoundError, match=r"near.*storage") as refused:
        versioning.checkout("0" * 32, path="x")
    assert "0" * 32 in str(refused.value)
    fill(repo / "train")
    versioning.add("train")
    shutil.rmtree(repo / ".dvc/cache")
    shutil.rmtree(repo / "train")
    with pytest.raises(errors.DatasetNotFoundError, match="train"):
        versioning.pull()
    with pytest.raises(errors.DatasetNotFoundError, match="train"):
        versioning.push()
    shutil.rmtree(tmp_path / "storage")
    with pytest.raises(errors.DatasetRemoteUnavailableError, match="near"):
        versioning.pull()


def test_a_damaged_object_is_never_sent(repo, tmp_path):
    versioning = DVCDatasetVersioning(repo)
    (repo / "rows.csv").write_text("a,b\n")
    hash = versioning.add("rows.csv").hash
    kept = repo / ".dvc/cache/files/md5" / hash[:2] / hash[2:]
    kept.chmod(0o644)
    kept.write_text("other")
    kept.chmod(0o444)
    with pytest.raises(errors.CorruptDatasetError, match=r"rows\.csv"):
        versioning.push()
    assert [path for path in (tmp_path / "storage").rglob("*") if path.is_file()] == []


def test_unsaved_changes_are_kept_unless_they_are_given_up(repo):
    versioning = DVCDatasetVersioning(repo)
    (repo / "rows.csv").write_text("a,b\n")
    versioning.add("rows.csv")
    (repo / "rows.csv").unlink()
    (repo / "rows.csv").write_text("mine")
    assert [entry.state for entry in versioning.status("rows.csv")] == ["modified"]
    with pytest.raises(errors.DatasetChangedError, match=r"rows\.csv"):
        versioning.checkout()
    versioning.checkout("rows.csv", force=True)
    assert (repo / "rows.csv").read_text() == "a,b\n"


def test_paths_are_relative_to_the_folder_that_is_named(repo):
    (repo / "sub").mkdir()
    (repo / "sub/rows.csv").write_text("a,b\n")
    versioning = DVCDatasetVersioning(repo / "sub")
    added = versioning.add("rows.csv")
    assert (added.path, added.recorded_in) == ("sub/rows.csv", "sub/rows.csv.dvc")
    assert versioning.hash("rows.csv") == DVCDatasetVersioning(repo).hash(repo / "sub/rows.csv") == added
    assert [entry.state for entry in versioning.status("rows.csv")] == ["unchanged"]
    versioning.checkout(added.hash, path="copy.csv")
    assert (repo / "sub/copy.csv").read_text() == "a,b\n"
    with pytest.raises(errors.InvalidArgumentError):
        DVCDatasetVersioning(repo).status("rows.csv")


def test_bad_arguments_are_named_and_mended(repo, tmp_path):
    versioning = DVCDatasetVersioning(repo)
    cases = [
        (lambda: versioning.checkout("data", path="x"), "ref_or_hash"),
        (lambda: versioning.checkout("0" * 31, path="x"), "ref_or_hash"),
        (lambda: versioning.push(remote="nobody"), "remote"),
        (lambda: versioning.push("nothing"), "targets"),
        (lambda: DVCDatasetVersioning(tmp_path).status(), "repo"),
    ]
    for call, field_name in cases:
        with pytest.raises(errors.InvalidArgumentError) as refused:
            call()
        assert (refused.value.field, bool(refused.value.mend)) == (field_name, True)
    with pytest.raises(errors.ArtifactUnreadableError, match="nothing"):
        versioning.hash("nothing")


def test_a_call_that_is_left_early_ends_and_begun_anew_it_goes_on(repo):
    versioning = DVCDatasetVersioning(repo)
    fill(repo / "train", {f"{i}.bin": os.urandom(300_000) for i in range(100)})
    versioning.add("train")

    def enough(_progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        versioning.push(progress=enough)
    done = versioning.push()
    assert (done.objects + done.present, done.objects > 0) == (101, True)
    assert versioning.push().objects == 0
