"""DVCDatasetVersioning with a bucket as remote: keys stay in config.local and appear nowhere else."""

import uuid
from pathlib import Path

import pytest
from dvc_repos import clone, dvc, new_repo, remote
from real_daemon import daemon_in, registry_servers

from pipekit_experiment import errors
from pipekit_experiment.adapters.dvc import DVCDatasetVersioning

FILES = {"a.txt": b"one\n", "deep/er/large.bin": bytes(range(256)) * 40_000}


@pytest.fixture(scope="module")
def server():
    with registry_servers("--s3") as told:
        yield told


def keys(repo, server, secret):
    (repo / ".dvc/config.local").write_text(
        f"['remote \"cloud\"']\n    access_key_id = {server['accessKey']}\n    secret_access_key = {secret}\n"
    )


def test_data_goes_through_a_bucket_to_dvc_and_no_key_is_told(server, tmp_path):
    url = f"s3://{server['bucket']}/{uuid.uuid4()}"
    config = remote("cloud", url, f"endpointurl = {server['endpoint']}", "region = us-east-1")
    repo = new_repo(tmp_path / "repo", config)
    for name, data in FILES.items():
        (repo / "train" / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / "train" / name).write_bytes(data)
    with daemon_in(tmp_path / "d") as daemon:
        versioning = DVCDatasetVersioning(repo)
        added = versioning.add("train")
        keys(repo, server, "wrong-secret-0123")
        with pytest.raises(errors.DatasetRemoteUnavailableError, match="cloud") as refused:
            versioning.push()
        keys(repo, server, server["secretKey"])
        assert versioning.push().objects == 3

        theirs = clone(repo, tmp_path / "theirs")
        keys(theirs, server, server["secretKey"])
        dvc(theirs, ["pull", "-q"])
        other = DVCDatasetVersioning(clone(repo, tmp_path / "other"))
        keys(tmp_path / "other", server, server["secretKey"])
        other.checkout(added.hash, path=tmp_path / "there")
        for name, data in FILES.items():
            assert (theirs / "train" / name).read_bytes() == data
            assert (tmp_path / "there" / name).read_bytes() == data
        told = repr((refused.value, refused.value.field, refused.value.mend))
        state = Path(daemon.hello.state_folder)
        written = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
    for secret in ("wrong-secret-0123", server["secretKey"], server["accessKey"]):
        assert secret not in told
        assert secret.encode() not in written
