"""What is told of versions of data sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from pipekit_experiment._src.sizes import counted, size_text

if TYPE_CHECKING:
    from pipekit_experiment._generated import dataset_pb2

State = Literal["unchanged", "modified", "missing"]


@dataclass(frozen=True)
class DatasetVersion:
    """One version of a file or folder."""

    hash: str
    """DVC's: the MD5 of a file's bytes, or of a folder's listing and then with `.dir` at its end."""
    sha256: str
    """Of a file's bytes; of a folder, of its files' digests and paths. Empty when only records were read."""
    size: int
    """Bytes of all files."""
    files: int
    """Number of files; 1 for a file."""
    path: str
    """Relative to the repository; absolute when it lies outside."""
    recorded_in: str
    """The `.dvc` file or `dvc.lock` that records it; empty when none does."""


@dataclass(frozen=True)
class DatasetEntry:
    """A recorded version beside what lies in the workspace."""

    recorded: DatasetVersion
    state: State
    workspace_hash: str
    """Of what lies in the workspace; empty when nothing does."""
    missing_in_cache: int
    """Objects of the recorded version that the cache lacks."""


@dataclass(frozen=True)
class DatasetTransfer:
    """What a push, pull or checkout did. `str()` makes it readable."""

    objects: int
    """Objects sent, fetched or linked."""
    bytes: int
    present: int
    """Objects that were there already."""
    datasets: tuple[DatasetVersion, ...]
    """The data sets spoken of."""

    def __str__(self) -> str:
        moved = f"{counted(self.objects, 'object')}, {size_text(self.bytes)}"
        return f"{moved}; {self.present:,} were there already."


def dataset_version(message: dataset_pb2.Dataset) -> DatasetVersion:
    """Reads a Dataset message."""
    return DatasetVersion(
        hash=message.hash,
        sha256=message.sha256,
        size=message.size,
        files=message.files,
        path=message.path,
        recorded_in=message.recorded_in,
    )


def dataset_entry(message: dataset_pb2.DatasetEntry) -> DatasetEntry:
    """Reads a DatasetEntry message."""
    from pipekit_experiment._generated.dataset_pb2 import DatasetState

    state = DatasetState.Name(message.state).removeprefix("DATASET_STATE_").lower()
    return DatasetEntry(
        recorded=dataset_version(message.recorded),
        state=cast("State", state),
        workspace_hash=message.workspace_hash,
        missing_in_cache=message.missing_in_cache,
    )


def dataset_transfer(message: dataset_pb2.DatasetTransfer) -> DatasetTransfer:
    """Reads a DatasetTransfer message."""
    return DatasetTransfer(
        objects=message.objects,
        bytes=message.bytes,
        present=message.present,
        datasets=tuple(dataset_version(dataset) for dataset in message.datasets),
    )
