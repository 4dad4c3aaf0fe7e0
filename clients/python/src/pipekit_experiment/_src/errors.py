"""Typed failures: one class for each code of proto/pipekit/experiment/v1/errors.proto.

Each class is a PipekitError and also the built-in exception that Python code expects for such a fault, so
that `except KeyError` catches an unknown ref. Nothing here imports grpc or protobuf until a failed call is
read.
"""

from __future__ import annotations

import errno as _errno
from typing import TYPE_CHECKING, ClassVar, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

    from pipekit_experiment._generated.errors_pb2 import ErrorDetail

ERROR_TRAILER = "pipekit-error-bin"
"""Trailing metadata entry that carries a serialized ErrorDetail."""


class PipekitError(Exception):
    """Any failure of pipekit_experiment.

    `code` is the failure's name in every client (`REF_NOT_FOUND`), `message` one sentence that says what is
    wrong, `field` the argument, key or path at fault (may be empty), `mend` one sentence that says what to do
    (may be empty). `str()` is the message followed by the mend.
    """

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, field: str = "", mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.message} {self.mend}" if self.mend else self.message


class InternalError(PipekitError, RuntimeError):
    """A defect of the daemon, or an answer that nobody foresaw."""


class InvalidArgumentError(PipekitError, ValueError):
    """An argument is missing or malformed and no narrower class fits."""

    code = "INVALID_ARGUMENT"


class InvalidConfigError(PipekitError, ValueError):
    """A config or operator state is not strict JSON: NaN, a duplicate key, an integer beyond 2^53."""

    code = "INVALID_CONFIG"


class InvalidMetricError(PipekitError, ValueError):
    """A metric key, step or value is not acceptable."""

    code = "INVALID_METRIC"


class InvalidTrackerSpecError(PipekitError, ValueError):
    """A tracker spec cannot be parsed, or names a tracker that is not configured."""

    code = "INVALID_TRACKER_SPEC"


class InvalidRegistrySpecError(PipekitError, ValueError):
    """A registry spec cannot be parsed."""

    code = "INVALID_REGISTRY_SPEC"


class RefInvalidError(PipekitError, ValueError):
    """A model reference has no valid form."""

    code = "REF_INVALID"


class TagNameInvalidError(PipekitError, ValueError):
    """A tag name holds a slash, starts with a dot or underscore, looks like a hash, or is too long."""

    code = "TAG_NAME_INVALID"


class NotAnOperatorError(PipekitError, TypeError):
    """The object is not an Operator: it has no `.state` of {module, class, config}."""

    code = "NOT_AN_OPERATOR"


class InvalidFrameError(PipekitError, ValueError):
    """A frame cannot be decoded, or its seq leaves a gap."""

    code = "INVALID_FRAME"


class RefNotFoundError(PipekitError, KeyError):
    """No model, tag or tag move answers to the reference."""

    code = "REF_NOT_FOUND"


class RunNotFoundError(PipekitError, KeyError):
    """No run has this id."""

    code = "RUN_NOT_FOUND"


class ArtifactUnreadableError(PipekitError, FileNotFoundError):
    """The file or folder to attach does not exist or cannot be read."""

    code = "ARTIFACT_UNREADABLE"


class TagExistsError(PipekitError, FileExistsError):
    """The tag points elsewhere and force was not given."""

    code = "TAG_EXISTS"


class RunExistsError(PipekitError, FileExistsError):
    """A run of this id exists with another start record."""

    code = "RUN_EXISTS"


class RunEndedError(PipekitError, RuntimeError):
    """The run has ended and takes no more records."""

    code = "RUN_ENDED"


class RunPrunedError(PipekitError, RuntimeError):
    """The records of the run were pruned; the summaries of its series are kept."""

    code = "RUN_PRUNED"


class RefAmbiguousError(PipekitError, LookupError):
    """A hash prefix fits several models."""

    code = "REF_AMBIGUOUS"


class ProtocolMismatchError(PipekitError, RuntimeError):
    """Client and daemon share no protocol version."""

    code = "PROTOCOL_MISMATCH"


class TagConflictError(PipekitError, RuntimeError):
    """The tag moved while this call was moving it, or it is not at the expected hash."""

    code = "TAG_CONFLICT"


class CorruptModelError(PipekitError, RuntimeError):
    """Stored bytes do not have the digest that was recorded for them."""

    code = "CORRUPT_MODEL"


class DaemonUnavailableError(PipekitError, ConnectionError):
    """The daemon cannot be reached, cannot be started, or is draining."""

    code = "DAEMON_UNAVAILABLE"


class StorageFullError(PipekitError, OSError):
    """The disk is full or a size limit is passed."""

    code = "STORAGE_FULL"
    errno: int | None = _errno.ENOSPC


class UnsafeFolderError(PipekitError, PermissionError):
    """A state or runtime folder has the wrong owner or mode."""

    code = "UNSAFE_FOLDER"


class InvalidDaemonConfigError(PipekitError, ValueError):
    """The daemon's configuration is invalid; the message names key and file."""

    code = "INVALID_DAEMON_CONFIG"


class UntrustedModuleError(PipekitError, PermissionError):
    """Loading needs code from a module that the caller does not trust by name."""

    code = "UNTRUSTED_MODULE"


class CorruptJournalError(PipekitError, RuntimeError):
    """The journal file is damaged."""

    code = "CORRUPT_JOURNAL"


class RegistryRefusedError(PipekitError, RuntimeError):
    """The server of a registry does not keep what a registry relies on, or does not permit it."""

    code = "REGISTRY_REFUSED"


class PreviewMismatchError(PipekitError, RuntimeError):
    """A loaded model does not give the outputs of its preview."""

    code = "PREVIEW_MISMATCH"


class RegistryUnavailableError(PipekitError, ConnectionError):
    """The server of a registry does not answer; try again."""

    code = "REGISTRY_UNAVAILABLE"


class GcAbortedError(PipekitError, RuntimeError):
    """A collection of garbage met something that it could not read, and stopped."""

    code = "GC_ABORTED"


class CorruptArchiveError(PipekitError, RuntimeError):
    """An archive of models is damaged, cut short, or none."""

    code = "CORRUPT_ARCHIVE"


class DatasetNotFoundError(PipekitError, KeyError):
    """Neither the cache nor the remotes that were searched have the data of a hash."""

    code = "DATASET_NOT_FOUND"


class CorruptDatasetError(PipekitError, RuntimeError):
    """Data does not have the hash that was recorded for it, or a file of DVC's cannot be read."""

    code = "CORRUPT_DATASET"


class DatasetLockedError(PipekitError, RuntimeError):
    """Another process works on the DVC repository; try again."""

    code = "DATASET_LOCKED"


class DatasetChangedError(PipekitError, FileExistsError):
    """Data in the workspace has changes that are saved nowhere and would be lost."""

    code = "DATASET_CHANGED"


class DatasetRemoteUnavailableError(PipekitError, ConnectionError):
    """A remote of a DVC repository does not answer or does not permit the call."""

    code = "DATASET_REMOTE_UNAVAILABLE"


class CorruptArtifactError(PipekitError, RuntimeError):
    """The file of a training or inference artifact is damaged, or none."""

    code = "CORRUPT_ARTIFACT"


class FormatTooNewError(PipekitError, RuntimeError):
    """A file has a newer format than this version reads."""

    code = "FORMAT_TOO_NEW"


class EnvironmentDriftError(PipekitError, RuntimeError):
    """The environment or the data differs from what an artifact recorded."""

    code = "ENVIRONMENT_DRIFT"


class UnauthenticatedError(PipekitError, PermissionError):
    """Over TCP: the token is missing or wrong, or the daemon's certificate proves nothing."""

    code = "UNAUTHENTICATED"


class PermissionDeniedError(PipekitError, PermissionError):
    """Over TCP: no role of the principal permits the call, or not on this name."""

    code = "PERMISSION_DENIED"


class QuotaExceededError(PipekitError, RuntimeError):
    """The principal, or the daemon, is over a limit on calls, streams, runs or bytes; try again later."""

    code = "QUOTA_EXCEEDED"


class CorruptAuditError(PipekitError, RuntimeError):
    """The audit log is not as it was written: an entry is missing, changed or out of order."""

    code = "CORRUPT_AUDIT"


class CorruptBackupError(PipekitError, RuntimeError):
    """A backup of a state folder is damaged, cut short, or none."""

    code = "CORRUPT_BACKUP"


class SourceUnreadableError(PipekitError, FileNotFoundError):
    """The store, folder or export that runs are imported from does not exist or cannot be read."""

    code = "SOURCE_UNREADABLE"


ERRORS: dict[str, type[PipekitError]] = {
    error.code: error
    for error in (
        InvalidArgumentError,
        InvalidConfigError,
        InvalidMetricError,
        InvalidTrackerSpecError,
        InvalidRegistrySpecError,
        RefInvalidError,
        TagNameInvalidError,
        NotAnOperatorError,
        InvalidFrameError,
        RefNotFoundError,
        RunNotFoundError,
        ArtifactUnreadableError,
        TagExistsError,
        RunExistsError,
        RunEndedError,
        RunPrunedError,
        RefAmbiguousError,
        ProtocolMismatchError,
        TagConflictError,
        CorruptModelError,
        DaemonUnavailableError,
        StorageFullError,
        UnsafeFolderError,
        InvalidDaemonConfigError,
        UntrustedModuleError,
        CorruptJournalError,
        RegistryRefusedError,
        PreviewMismatchError,
        RegistryUnavailableError,
        GcAbortedError,
        CorruptArchiveError,
        DatasetNotFoundError,
        CorruptDatasetError,
        DatasetLockedError,
        DatasetChangedError,
        DatasetRemoteUnavailableError,
        CorruptArtifactError,
        FormatTooNewError,
        EnvironmentDriftError,
        UnauthenticatedError,
        PermissionDeniedError,
        QuotaExceededError,
        CorruptAuditError,
        CorruptBackupError,
        SourceUnreadableError,
        InternalError,
    )
}
"""Code to class."""


def from_detail(detail: ErrorDetail) -> PipekitError:
    """Reads an ErrorDetail message. A code that this client does not know becomes an InternalError."""
    from pipekit_experiment._generated.errors_pb2 import ErrorCode

    by_number = {number: name.removeprefix("ERROR_CODE_") for name, number in ErrorCode.items()}
    error = ERRORS.get(by_number.get(detail.code, ""), InternalError)
    return error(detail.message, field=detail.field, mend=detail.mend)


def from_rpc_error(error: grpc.RpcError) -> PipekitError:
    """Reads the failure out of a failed gRPC call; a call that never reached the daemon is a
    DaemonUnavailableError.

    Use it as `raise from_rpc_error(error) from error`.
    """
    import grpc

    from pipekit_experiment._generated.errors_pb2 import ErrorDetail

    if not isinstance(error, grpc.Call):
        return InternalError(f"A call to the daemon failed: {error}.")
    # grpcio gives pairs; its published types say otherwise.
    trailers = cast("Sequence[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    for key, value in trailers:
        if key == ERROR_TRAILER and isinstance(value, bytes):
            return from_detail(ErrorDetail.FromString(value))
    details = error.details() or "no reason given"
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return DaemonUnavailableError(
            f"The daemon does not answer: {details}.",
            mend="Start it with `pkx serve`, or look at `pkx doctor`.",
        )
    return InternalError(f"A call to the daemon failed with {error.code().name}: {details}.")
