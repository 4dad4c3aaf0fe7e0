"""Calls to the daemon's data sets."""

from __future__ import annotations

from typing import Any, Literal

from pipekit_experiment._src.progress_line import OnProgress, progress_of, telling
from pipekit_experiment._src.registry_calls import ask, cancelling, incomplete

# After registry_calls, because it imports grpc.
from pipekit_experiment._generated.dataset_pb2_grpc import DatasetServiceStub  # isort: skip


def ask_once(method: str, request: Any) -> Any:
    """One request, one answer. Leaving it early, as by Ctrl-C, ends it in the daemon."""

    def call(stub: Any, _: object) -> Any:
        with cancelling(getattr(stub, method).future(request)) as answer:
            return answer.result()

    return ask(call, service=DatasetServiceStub)


def ask_long(
    method: str,
    request: Any,
    answer: Literal["dataset", "transfer"],
    progress: bool | OnProgress | None,
    what: str,
) -> Any:
    """The answer of a call that tells its progress. All of them may be begun anew, and then go on."""

    def call(stub: Any, tell: OnProgress | None) -> Any:
        with cancelling(getattr(stub, method)(request)) as answers:
            for told in answers:
                part = told.WhichOneof("told")
                if part == answer:
                    return getattr(told, answer)
                if part == "progress" and tell is not None:
                    tell(progress_of(told.progress))
        raise incomplete(method)

    with telling(progress, what) as tell:
        return ask(lambda stub, _: call(stub, tell), service=DatasetServiceStub)
