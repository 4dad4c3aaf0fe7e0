"""Stands in for `pkx serve` in the tests of the connection: lock, re-check, listen, answer Hello.

`$FAKE_DAEMON` makes it misbehave: `slow` (listens after a second), `refuse` (an unsafe folder), `crash`,
`mismatch` (speaks another protocol). It writes its process id to `<state>/pids` once it listens.
"""

import argparse
import fcntl
import hashlib
import os
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from pipekit_experiment._generated import daemon_pb2, daemon_pb2_grpc, errors_pb2


class Service(daemon_pb2_grpc.DaemonServiceServicer):
    def __init__(self, state, mode):
        self.state = state
        self.mode = mode

    def Hello(self, request, context):
        if self.mode == "mismatch":
            detail = errors_pb2.ErrorDetail(
                code=errors_pb2.ERROR_CODE_PROTOCOL_MISMATCH,
                message="Client and daemon share no protocol version.",
                mend="Upgrade the client.",
            )
            context.set_trailing_metadata((("pipekit-error-bin", detail.SerializeToString()),))
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, detail.message)
        return daemon_pb2.HelloResponse(
            protocol=1,
            daemon_version="0.0.0",
            state_folder=str(self.state),
            staging_folder=str(self.state / "staging"),
            pid=os.getpid(),
        )


def is_alive(path):
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--state-dir", type=Path)
    parser.add_argument("--runtime-dir", type=Path)
    given = parser.parse_args()
    mode = os.environ.get("FAKE_DAEMON", "")
    if mode == "refuse":
        sys.exit("pkx serve: The folder /s is open to others. [UNSAFE_FOLDER: /s]\n  Close it: chmod 700 /s")
    if mode == "crash":
        sys.exit("no such luck")
    given.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(given.state_dir / "daemon.lock", "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        if mode == "slow":
            time.sleep(1.0)
        name = hashlib.sha256(os.fsencode(os.path.realpath(given.state_dir))).hexdigest()[:16]
        path = given.runtime_dir / f"{name}.sock"
        if is_alive(path):
            return
        path.unlink(missing_ok=True)
        server = grpc.server(ThreadPoolExecutor(4))
        daemon_pb2_grpc.add_DaemonServiceServicer_to_server(Service(given.state_dir, mode), server)
        with open(given.state_dir / "pids", "a") as pids:
            pids.write(f"{os.getpid()}\n")
        server.add_insecure_port(f"unix:{path}")
        server.start()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        server.stop(0).wait(5)


if __name__ == "__main__":
    main()
