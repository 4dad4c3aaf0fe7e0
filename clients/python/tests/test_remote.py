import os
import socket
import subprocess
import sys
import tempfile
import warnings
from contextlib import closing
from pathlib import Path

import pytest
from real_daemon import ROOT, end

from pipekit_experiment import LocalModelRegistry, connect, errors, start_run
from pipekit_experiment._src import connection, hub

TOKEN = "a-token-of-more-than-16-characters"
CLIENT_VARIABLES = ("PKX_ENDPOINT", "PKX_TOKEN", "PKX_TOKEN_FILE", "PKX_CA_FILE")


class Thing:
    state = {"module": "m", "class": "C", "config": {}}  # noqa: RUF012


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def proofs():
    with tempfile.TemporaryDirectory(prefix="pkx") as made:
        folder = Path(made)
        subprocess.run([sys.executable, ROOT / "test/support/certificates.py", folder], check=True)
        (folder / "token").write_text(TOKEN + "\n")
        (folder / "token").chmod(0o600)
        yield folder


def serve(proofs, monkeypatch, certificate="good"):
    """Lets the client start a daemon that listens on TCP, too; its port."""
    port = free_port()
    for name in CLIENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with monkeypatch.context() as patch:
        patch.setenv("PKX_LISTEN", f"127.0.0.1:{port}")
        patch.setenv("PKX_TLS_CERT", str(proofs / f"{certificate}.pem"))
        patch.setenv("PKX_TLS_KEY", str(proofs / f"{certificate}.key"))
        patch.setenv("PKX_TOKEN_FILE", str(proofs / "token"))
        return connect(timeout_s=30), port


@pytest.fixture
def afar(proofs, monkeypatch):
    """A daemon of one state folder, and an environment that has another one and knows the daemon by TCP."""
    with tempfile.TemporaryDirectory(prefix="pkx") as made:
        place = Path(made)
        monkeypatch.setattr(hub, "_process", hub._Process())
        monkeypatch.setenv("PKX_STATE_DIR", str(place / "there"))
        monkeypatch.setenv("PKX_RUNTIME_DIR", str(place / "run"))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "config"))
        monkeypatch.setenv("PKX_DAEMON", str(ROOT / "daemon/main.ts"))
        by_socket, port = serve(proofs, monkeypatch)
        monkeypatch.setenv("PKX_STATE_DIR", str(place / "here"))
        monkeypatch.setenv("PKX_ENDPOINT", f"https://127.0.0.1:{port}")
        monkeypatch.setenv("PKX_TOKEN_FILE", str(proofs / "token"))
        monkeypatch.setenv("PKX_CA_FILE", str(proofs / "ca.pem"))
        try:
            yield by_socket
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                hub.the_hub().close()
            end(by_socket.hello.pid)
            for kept in list(connection._state.connections.values()):
                kept.close()


def points_of(by_socket, run_id):
    from pipekit_experiment._generated import tracker_pb2 as pb
    from pipekit_experiment._generated.tracker_pb2_grpc import TrackerServiceStub

    return by_socket.stub(TrackerServiceStub).GetRun(pb.GetRunRequest(run_id=run_id)).run.points


def test_a_run_and_a_model_go_to_a_daemon_over_tcp(afar, tmp_path):
    assert connect().hello.staging_folder == ""
    run = start_run(name="afar")
    for step in range(1000):
        run.log({"loss": 1 / (step + 1)}, step=step)
    assert run.flush()
    with pytest.raises(errors.InvalidArgumentError, match="another host") as refusal:
        run.log_artifact(tmp_path)
    assert refusal.value.field == "path"
    run.log_artifact("s3://bucket/key")
    run.end()
    assert points_of(afar, run.run_id) == 1000
    assert not (Path(os.environ["PKX_STATE_DIR"]) / "spool").exists()

    registry = LocalModelRegistry()
    weights = os.urandom(3_000_000)
    stored = registry.store(Thing(), weights=weights, name="production")
    assert registry.load_weights("production") == weights
    assert registry.stat("production").hash == stored
    with pytest.raises(errors.InvalidArgumentError) as refusal:
        LocalModelRegistry(tmp_path).list()
    assert refusal.value.field == "registry"


def test_what_waits_for_a_daemon_elsewhere_lies_apart(afar, monkeypatch):
    name = hub.the_hub().spool_folder.name
    assert name.startswith("spool-")
    monkeypatch.setenv("PKX_ENDPOINT", "https://127.0.0.1:1")
    assert hub.the_hub().spool_folder.name not in (name, "spool")
    monkeypatch.delenv("PKX_ENDPOINT")
    assert hub.the_hub().spool_folder.name == "spool"


def test_without_proofs_nothing_is_told(afar, proofs, monkeypatch, tmp_path):
    def refusal(kind):
        with pytest.raises(kind) as caught:
            connect(timeout_s=5)
        assert TOKEN not in str(caught.value)
        return caught.value

    (tmp_path / "wrong").write_text("x" * 40)
    for name, value in (
        ("PKX_TOKEN_FILE", str(tmp_path / "wrong")),
        ("PKX_TOKEN_FILE", str(tmp_path / "absent")),
        ("PKX_TOKEN_FILE", ""),
        ("PKX_TOKEN", "two words"),
        ("PKX_CA_FILE", str(proofs / "other-ca.pem")),
        ("PKX_CA_FILE", str(tmp_path / "absent")),
        ("PKX_CA_FILE", str(proofs / "token")),
        ("PKX_CA_FILE", ""),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert refusal(errors.UnauthenticatedError).mend, name
    with monkeypatch.context() as patch:
        patch.setenv("PKX_ENDPOINT", f"https://127.0.0.1:{free_port()}")
        refusal(errors.DaemonUnavailableError)
        patch.setenv("PKX_ENDPOINT", "https://127.0.0.1")
        assert refusal(errors.InvalidArgumentError).field == "PKX_ENDPOINT"
    monkeypatch.setenv("PKX_TOKEN", TOKEN)
    assert connect().hello.pid == afar.hello.pid
    assert TOKEN not in repr(connect().socket)


@pytest.mark.parametrize(
    ("certificate", "reason"), [("expired", "has expired"), ("elsewhere", "IP address mismatch")]
)
def test_a_certificate_that_proves_nothing_is_told_by_reason(afar, proofs, monkeypatch, certificate, reason):
    with monkeypatch.context() as patch:
        patch.setenv("PKX_STATE_DIR", f"{os.environ['PKX_STATE_DIR']}-other")
        other, port = serve(proofs, patch, certificate)
    try:
        monkeypatch.setenv("PKX_ENDPOINT", f"https://127.0.0.1:{port}")
        with pytest.raises(errors.UnauthenticatedError, match=reason):
            connect()
    finally:
        end(other.hello.pid)
