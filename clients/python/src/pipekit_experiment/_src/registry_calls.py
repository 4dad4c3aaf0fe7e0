"""Calls to the daemon's registry, and the ways that weights take in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment._src.connection import Connection, connect
from pipekit_experiment._src.errors import (
    ArtifactUnreadableError,
    DaemonUnavailableError,
    InternalError,
    from_rpc_error,
)
from pipekit_experiment._src.quiet_grpc import grpc
from pipekit_experiment._src.registry_weights import Weights, chunks, handed_over, joined, read_file

# After quiet_grpc, because it imports grpc.
from pipekit_experiment._generated.registry_pb2_grpc import RegistryServiceStub  # isort: skip

_Answer = TypeVar("_Answer")


def ask(call: Callable[[Any, Connection], _Answer], repeatable: bool = True) -> _Answer:
    """Calls `call` with a stub; once more, with a new connection, when the daemon left meanwhile."""
    connection = connect()
    try:
        return call(connection.stub(RegistryServiceStub), connection)
    except grpc.RpcError as error:
        failure = from_rpc_error(error)
        if not (repeatable and isinstance(failure, DaemonUnavailableError)):
            raise failure from error
    connection.discard()
    connection = connect()
    try:
        return call(connection.stub(RegistryServiceStub), connection)
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error


def store(
    stub: Any, connection: Connection, header: pb.StoreHeader, weights: Weights | None
) -> pb.StoreResponse:
    """Stores a model: its weights through a file if the daemon finds it, else in chunks."""
    if weights is None:
        return stub.Store(iter([pb.StoreRequest(header=header)]))
    with handed_over(weights, connection.hello.staging_folder) as handed:
        if handed is not None:
            by_path = pb.StoreHeader()
            by_path.CopyFrom(header)
            by_path.weights_path, by_path.weights_staged = handed
            try:
                return stub.Store(iter([pb.StoreRequest(header=by_path)]))
            except grpc.RpcError as error:
                # The same path may lead elsewhere for the daemon: another container, another user.
                if not isinstance(from_rpc_error(error), ArtifactUnreadableError):
                    raise
    return stub.Store(_requests(header, weights))


def load(stub: Any, request: pb.LoadRequest) -> tuple[pb.Model, bytes | None]:
    """Describes a model and reads its weights, verified; None when it has none."""
    header = _header(stub.Load(request))
    if not header.model.has_weights:
        return header.model, None
    weights = read_file(header.weights_path, header.model.weights_size) if header.weights_path else None
    if weights is not None:
        return header.model, weights
    # The name may have moved in between; the hash has not.
    answers = stub.Load(pb.LoadRequest(registry=request.registry, ref=header.model.hash))
    model = _header(answers).model
    return model, joined(answers, model)


def _header(answers: Iterator[pb.LoadResponse]) -> pb.LoadHeader:
    first = next(answers, None)
    if first is None:
        raise InternalError(
            "The daemon's answer to Load was empty.", mend="See the daemon's log: `pkx logs`."
        )
    return first.header


def _requests(header: pb.StoreHeader, weights: Weights) -> Iterator[pb.StoreRequest]:
    yield pb.StoreRequest(header=header)
    for chunk in chunks(weights):
        yield pb.StoreRequest(weights_chunk=chunk)
