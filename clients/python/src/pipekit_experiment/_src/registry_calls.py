"""Calls to the daemon's registry, and the ways that weights take in them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment._src.connection import Connection, connect
from pipekit_experiment._src.errors import (
    ArtifactUnreadableError,
    DaemonUnavailableError,
    InternalError,
    StorageFullError,
    from_rpc_error,
)
from pipekit_experiment._src.progress_line import OnProgress, Progress, progress_of
from pipekit_experiment._src.quiet_grpc import grpc
from pipekit_experiment._src.registry_weights import Weights, chunks, handed_over, joined, read_file

# After quiet_grpc, because it imports grpc.
from pipekit_experiment._generated.registry_pb2_grpc import RegistryServiceStub  # isort: skip

_Answer = TypeVar("_Answer")


def ask(
    call: Callable[[Any, Connection], _Answer],
    repeatable: bool = True,
    service: type[Any] = RegistryServiceStub,
    needs: str | None = None,
) -> _Answer:
    """Calls `call` with a stub; once more, with a new connection, when the daemon left meanwhile.

    Not when `repeatable` is false, nor when the daemon lacks the capability that a second call `needs`."""
    connection = connect()
    repeatable = repeatable and (needs is None or needs in connection.hello.capabilities)
    try:
        return call(connection.stub(service), connection)
    except grpc.RpcError as error:
        failure = from_rpc_error(error)
        if not (repeatable and isinstance(failure, DaemonUnavailableError)):
            raise failure from error
    connection.discard()
    connection = connect()
    try:
        return call(connection.stub(service), connection)
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error


@contextmanager
def cancelling(call: Any) -> Generator[Any]:
    """A call that is waited for in the block; leaving it early, as by Ctrl-C, ends it in the daemon."""
    try:
        yield call
    finally:
        call.cancel()


def incomplete(what: str) -> InternalError:
    """The failure of a stream that ended before its last message."""
    return InternalError(
        f"The daemon's answer to {what} was incomplete.", mend="See the daemon's log: `pkx logs`."
    )


def store(
    stub: Any,
    connection: Connection,
    header: pb.StoreHeader,
    weights: Weights | None,
    tell: OnProgress | None = None,
) -> pb.StoreResponse:
    """Stores a model: its weights through a file if the daemon finds it, else in chunks."""
    if weights is None:
        return _stored(stub, [pb.StoreRequest(header=header)], tell)
    with handed_over(weights, connection.hello.staging_folder) as handed:
        if handed is not None:
            by_path = pb.StoreHeader()
            by_path.CopyFrom(header)
            by_path.weights_path, by_path.weights_staged = handed
            try:
                return _stored(stub, [pb.StoreRequest(header=by_path)], tell)
            except grpc.RpcError as error:
                # The same path may lead elsewhere for the daemon: another container, another user.
                if not isinstance(from_rpc_error(error), ArtifactUnreadableError):
                    raise
    return _stored(stub, _requests(header, weights), tell)


def load(stub: Any, request: pb.LoadRequest, tell: OnProgress | None = None) -> tuple[pb.Model, bytes | None]:
    """Describes a model and reads its weights, verified; None when it has none."""
    request.progress = tell is not None
    ref = request.ref
    if not request.by_path:
        return _load_by_chunks(stub, request, tell)
    try:
        with cancelling(stub.Load(request)) as answers:
            header = _header(answers, tell)
        if not header.model.has_weights:
            return header.model, None
        weights = read_file(header.weights_path, header.model.weights_size) if header.weights_path else None
        if weights is not None:
            return header.model, weights
        # The name may have moved in between; the hash has not.
        ref = header.model.hash
    except grpc.RpcError as error:
        # Where the daemon's host has no room for a file, chunks need none.
        if not isinstance(from_rpc_error(error), StorageFullError):
            raise
    by_chunks = pb.LoadRequest(registry=request.registry, ref=ref, progress=request.progress)
    return _load_by_chunks(stub, by_chunks, tell)


def _load_by_chunks(
    stub: Any, request: pb.LoadRequest, tell: OnProgress | None
) -> tuple[pb.Model, bytes | None]:
    with cancelling(stub.Load(request)) as answers:
        model = _header(answers, tell).model
        if not model.has_weights:
            return model, None
        return model, joined(_told(answers, model, tell), model)


def _stored(stub: Any, requests: Iterable[pb.StoreRequest], tell: OnProgress | None) -> pb.StoreResponse:
    if tell is None:
        # Not the blocking form of the call, which would go on in the daemon after Ctrl-C.
        with cancelling(stub.Store.future(iter(requests))) as call:
            return call.result()
    wrapped = (pb.StoreWithProgressRequest(request=request) for request in requests)
    with cancelling(stub.StoreWithProgress(wrapped)) as answers:
        for answer in answers:
            if answer.WhichOneof("part") == "stored":
                return answer.stored
            tell(progress_of(answer.progress))
    raise incomplete("Store")


def _header(answers: Iterator[pb.LoadResponse], tell: OnProgress | None) -> pb.LoadHeader:
    for answer in answers:
        if answer.WhichOneof("part") == "header":
            return answer.header
        if tell is not None:
            tell(progress_of(answer.progress))
    raise incomplete("Load")


def _told(
    answers: Iterator[pb.LoadResponse], model: pb.Model, tell: OnProgress | None
) -> Iterator[pb.LoadResponse]:
    done = 0
    for answer in answers:
        yield answer
        done += len(answer.weights_chunk)
        if tell is not None:
            tell(Progress("loading", done, model.weights_size))


def _requests(header: pb.StoreHeader, weights: Weights) -> Iterator[pb.StoreRequest]:
    yield pb.StoreRequest(header=header)
    size = 0
    for chunk in chunks(weights):
        size += len(chunk)
        yield pb.StoreRequest(weights_chunk=chunk)
    yield pb.StoreRequest(weights_end=pb.WeightsEnd(size=size))
