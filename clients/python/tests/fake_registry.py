"""A daemon in this process whose registry tells what a test has set, and keeps what it was asked."""

import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import grpc
import pytest

from pipekit_experiment._generated import daemon_pb2, daemon_pb2_grpc, errors_pb2, registry_pb2_grpc
from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment._src import connection

MODEL = pb.Model(hash="ab" * 32, operator_json="{}", created_at_us=1_700_000_000_000_000)


class Hello(daemon_pb2_grpc.DaemonServiceServicer):
    def Hello(self, request, context):
        return daemon_pb2.HelloResponse(protocol=1, daemon_version="0.1.0", pid=os.getpid())


class FakeRegistry(registry_pb2_grpc.RegistryServiceServicer):
    """`answers` holds, by the name of a call: one message, several, an ErrorDetail, or a function of it."""

    def __init__(self):
        self.asked = []
        self.answers = {}
        self.over = Event()
        """Set when a call is over, as by being cancelled."""
        self.hang = False
        """Calls that stream do not end by themselves."""

    def _answer(self, name, request, context):
        self.asked.append((name, request))
        answer = self.answers.get(name)
        return self._given(answer(request) if callable(answer) else answer, context)

    def WatchTag(self, request, context):
        """Its answers are one for each call."""
        self.asked.append(("WatchTag", request))
        yield from self._given(self.answers["WatchTag"].pop(0), context)

    def _given(self, answer, context):
        if isinstance(answer, errors_pb2.ErrorDetail):
            context.set_trailing_metadata((("pipekit-error-bin", answer.SerializeToString()),))
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, answer.message)
        return answer

    def _answers(self, name, request, context):
        self._tells_when_over(context)
        yield from self._answer(name, request, context)
        self._wait()

    def _tells_when_over(self, context):
        # At the beginning: what is cancelled in between does not come further.
        if not context.add_callback(self.over.set):
            self.over.set()

    def _wait(self):
        if self.hang:
            self.over.wait(20)

    def Store(self, requests, context):
        self._tells_when_over(context)
        received = list(requests)
        self._wait()
        self.asked.append(("Store", received))
        return pb.StoreResponse(model=MODEL, created=True)

    def StoreWithProgress(self, requests, context):
        self._tells_when_over(context)
        received = []
        for message in requests:
            received.append(message.request)
            done = sum(len(request.weights_chunk) for request in received)
            yield pb.StoreWithProgressResponse(progress=pb.Progress(phase="receiving", bytes_done=done))
        self._wait()
        self.asked.append(("StoreWithProgress", received))
        yield pb.StoreWithProgressResponse(stored=pb.StoreResponse(model=MODEL, created=True))


def _unary(name):
    return lambda self, request, context: self._answer(name, request, context)


def _stream(name):
    return lambda self, request, context: self._answers(name, request, context)


for _name in ["RollbackTag", "DeleteTag", "ListTags", "Pin", "Unpin", "ListPins", "Diff", "DescribeRegistry"]:
    setattr(FakeRegistry, _name, _unary(_name))
for _name in ("Load", "Gc", "Verify", "Copy", "Export", "Import"):
    setattr(FakeRegistry, _name, _stream(_name))


@contextmanager
def fake_registry(folder) -> Generator[FakeRegistry]:
    """Serves a FakeRegistry in `folder` and points the environment to it."""
    made = FakeRegistry()
    server = grpc.server(ThreadPoolExecutor(4))
    daemon_pb2_grpc.add_DaemonServiceServicer_to_server(Hello(), server)
    registry_pb2_grpc.add_RegistryServiceServicer_to_server(made, server)
    server.add_insecure_port(f"unix:{folder}/d.sock")
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PKX_ENDPOINT", f"unix:{folder}/d.sock")
        try:
            yield made
        finally:
            for kept in list(connection._state.connections.values()):
                kept.close()
            server.stop(0).wait(5)
