"""Principals and roles of a daemon over TCP, as a Python program meets them."""

import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pytest
from real_daemon import ROOT, end
from test_remote import CLIENT_VARIABLES, Thing, free_port

from pipekit_experiment import LocalModelRegistry, connect, errors, start_run
from pipekit_experiment._src import connection, hub

ROLES = {
    "trainer": "{role: writer, runs: [lab-*], tags: [lab-*], registries: [default]}",
    "promoter": "{role: promoter, tags: ['*'], registries: [default]}",
}


def replace(path, text):
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


def write_principals(folder, roles=ROLES):
    entries = [
        f"  - name: {name}\n    token: file:{folder}/{name}\n"
        + ("    certificate: uri:spiffe://lab/trainer\n" if name == "trainer" else "")
        + f"    roles: [{role}]\n"
        for name, role in roles.items()
    ]
    replace(folder / "principals.yaml", "principals:\n" + "".join(entries))


@pytest.fixture
def lab(monkeypatch):
    """Folder of the proofs of a daemon that is known by TCP only."""
    with tempfile.TemporaryDirectory(prefix="pkx") as made:
        folder = Path(made)
        subprocess.run([sys.executable, ROOT / "test/support/certificates.py", folder], check=True)
        for name in ROLES:
            replace(folder / name, f"token-of-{name}-0123456789\n")
        write_principals(folder)
        port = free_port()
        monkeypatch.setattr(hub, "_process", hub._Process())
        for name in (*CLIENT_VARIABLES, "PKX_CLIENT_CERT_FILE", "PKX_CLIENT_KEY_FILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PKX_STATE_DIR", str(folder / "there"))
        monkeypatch.setenv("PKX_RUNTIME_DIR", str(folder / "run"))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        monkeypatch.setenv("PKX_DAEMON", str(ROOT / "daemon/main.ts"))
        with monkeypatch.context() as patch:
            patch.setenv("PKX_LISTEN", f"127.0.0.1:{port}")
            patch.setenv("PKX_TLS_CERT", str(folder / "good.pem"))
            patch.setenv("PKX_TLS_KEY", str(folder / "good.key"))
            patch.setenv("PKX_PRINCIPALS_FILE", str(folder / "principals.yaml"))
            patch.setenv("PKX_TLS_CLIENT_CA", str(folder / "ca.pem"))
            patch.setenv("PKX_TLS_CLIENT_AUTH", "optional")
            pid = connect(timeout_s=30).hello.pid
        monkeypatch.setenv("PKX_STATE_DIR", str(folder / "here"))
        monkeypatch.setenv("PKX_ENDPOINT", f"https://127.0.0.1:{port}")
        monkeypatch.setenv("PKX_TOKEN_FILE", str(folder / "trainer"))
        monkeypatch.setenv("PKX_CA_FILE", str(folder / "ca.pem"))
        try:
            yield folder
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                hub.the_hub().close()
            end(pid)
            forget_connections()


def forget_connections():
    for kept in list(connection._state.connections.values()):
        kept.discard()


def as_promoter(monkeypatch, folder):
    forget_connections()
    monkeypatch.setenv("PKX_TOKEN_FILE", str(folder / "promoter"))


def test_what_a_role_does_not_permit_is_raised_as_such(lab, monkeypatch):
    hello = connect().hello
    assert (hello.principal, [role.role for role in hello.roles]) == ("trainer", ["writer"])
    with pytest.raises(errors.PermissionDeniedError, match="`trainer` may not write runs") as refusal:
        start_run("secret")
    assert isinstance(refusal.value, PermissionError)
    assert refusal.value.field == "name"
    assert refusal.value.mend
    run = start_run("lab-one")
    for step in range(100):
        run.log({"loss": step}, step)
    run.end()
    assert run.rejected == 0

    registry = LocalModelRegistry()
    first = registry.store(Thing(), weights=b"1", name="lab-model")
    second = registry.store(Thing(), weights=b"2")
    with pytest.raises(errors.PermissionDeniedError):
        registry.tag(second, "lab-model", force=True)
    as_promoter(monkeypatch, lab)
    registry = LocalModelRegistry()
    registry.tag(second, "lab-model", force=True)
    moves = registry.history("lab-model")
    assert [(move.principal, move.hash) for move in moves] == [("promoter", second), ("trainer", first)]
    with pytest.raises(errors.PermissionDeniedError):
        registry.store(Thing(), weights=b"3")


def test_a_certificate_stands_for_a_token(lab, monkeypatch):
    monkeypatch.delenv("PKX_TOKEN_FILE")

    def by(name):
        forget_connections()
        monkeypatch.setenv("PKX_CLIENT_CERT_FILE", str(lab / f"{name}.pem"))
        monkeypatch.setenv("PKX_CLIENT_KEY_FILE", str(lab / f"{name}.key"))
        return connect(timeout_s=5).hello.principal

    assert by("client") == "trainer"
    for name in ("client-foreign", "client-expired", "client-nobody"):
        with pytest.raises(errors.UnauthenticatedError):
            by(name)
    monkeypatch.delenv("PKX_CLIENT_KEY_FILE")
    with pytest.raises(errors.UnauthenticatedError) as refusal:
        connect()
    assert refusal.value.field == "PKX_CLIENT_KEY_FILE"


def test_the_token_rotates_while_the_training_goes_on(lab):
    run = start_run("lab-rotated")
    step = 0
    for round_ in range(2):
        replace(lab / "trainer", f"token-of-trainer-round-{round_}-0123456789\n")
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            run.log({"loss": step}, step)
            step += 1
            time.sleep(0.001)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run.end(timeout_s=20)
    from pipekit_experiment._generated import tracker_pb2 as pb
    from pipekit_experiment._generated.tracker_pb2_grpc import TrackerServiceStub

    found = connect().stub(TrackerServiceStub).GetRun(pb.GetRunRequest(run_id=run.run_id)).run
    assert (found.points, run.rejected, run.dropped) == (step, 0, 0)


def log_until_rejected(run):
    until = time.monotonic() + 10
    while run.rejected == 0 and time.monotonic() < until:
        run.log({"loss": 2}, 1)
        run.flush()


def test_frames_that_are_no_longer_permitted_are_told_and_hurt_nobody(lab):
    run = start_run("lab-narrowed")
    run.log({"loss": 1}, 0)
    assert run.flush()
    write_principals(lab, {**ROLES, "trainer": "{role: reader, runs: [lab-*]}"})
    with pytest.warns(match="may not write runs"):
        log_until_rejected(run)
    assert run.rejected > 0
