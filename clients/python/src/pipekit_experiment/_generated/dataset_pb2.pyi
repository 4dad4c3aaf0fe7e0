from . import registry_pb2 as _registry_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DatasetState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATASET_STATE_UNSPECIFIED: _ClassVar[DatasetState]
    DATASET_STATE_UNCHANGED: _ClassVar[DatasetState]
    DATASET_STATE_MODIFIED: _ClassVar[DatasetState]
    DATASET_STATE_MISSING: _ClassVar[DatasetState]
DATASET_STATE_UNSPECIFIED: DatasetState
DATASET_STATE_UNCHANGED: DatasetState
DATASET_STATE_MODIFIED: DatasetState
DATASET_STATE_MISSING: DatasetState

class Dataset(_message.Message):
    __slots__ = ("hash", "sha256", "size", "files", "path", "recorded_in")
    HASH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    RECORDED_IN_FIELD_NUMBER: _ClassVar[int]
    hash: str
    sha256: str
    size: int
    files: int
    path: str
    recorded_in: str
    def __init__(self, hash: _Optional[str] = ..., sha256: _Optional[str] = ..., size: _Optional[int] = ..., files: _Optional[int] = ..., path: _Optional[str] = ..., recorded_in: _Optional[str] = ...) -> None: ...

class AddDatasetRequest(_message.Message):
    __slots__ = ("repo", "path")
    REPO_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    repo: str
    path: str
    def __init__(self, repo: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class AddDatasetResponse(_message.Message):
    __slots__ = ("progress", "dataset")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    progress: _registry_pb2.Progress
    dataset: Dataset
    def __init__(self, progress: _Optional[_Union[_registry_pb2.Progress, _Mapping]] = ..., dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class HashDatasetRequest(_message.Message):
    __slots__ = ("repo", "path")
    REPO_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    repo: str
    path: str
    def __init__(self, repo: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class HashDatasetResponse(_message.Message):
    __slots__ = ("progress", "dataset")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    progress: _registry_pb2.Progress
    dataset: Dataset
    def __init__(self, progress: _Optional[_Union[_registry_pb2.Progress, _Mapping]] = ..., dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class DatasetStatusRequest(_message.Message):
    __slots__ = ("repo", "targets")
    REPO_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    repo: str
    targets: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, repo: _Optional[str] = ..., targets: _Optional[_Iterable[str]] = ...) -> None: ...

class DatasetStatusResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[DatasetEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[DatasetEntry, _Mapping]]] = ...) -> None: ...

class DatasetEntry(_message.Message):
    __slots__ = ("recorded", "state", "workspace_hash", "missing_in_cache")
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_HASH_FIELD_NUMBER: _ClassVar[int]
    MISSING_IN_CACHE_FIELD_NUMBER: _ClassVar[int]
    recorded: Dataset
    state: DatasetState
    workspace_hash: str
    missing_in_cache: int
    def __init__(self, recorded: _Optional[_Union[Dataset, _Mapping]] = ..., state: _Optional[_Union[DatasetState, str]] = ..., workspace_hash: _Optional[str] = ..., missing_in_cache: _Optional[int] = ...) -> None: ...

class PushDatasetsRequest(_message.Message):
    __slots__ = ("repo", "targets", "remote")
    REPO_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    REMOTE_FIELD_NUMBER: _ClassVar[int]
    repo: str
    targets: _containers.RepeatedScalarFieldContainer[str]
    remote: str
    def __init__(self, repo: _Optional[str] = ..., targets: _Optional[_Iterable[str]] = ..., remote: _Optional[str] = ...) -> None: ...

class DatasetTransfer(_message.Message):
    __slots__ = ("objects", "bytes", "present", "datasets")
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    objects: int
    bytes: int
    present: int
    datasets: _containers.RepeatedCompositeFieldContainer[Dataset]
    def __init__(self, objects: _Optional[int] = ..., bytes: _Optional[int] = ..., present: _Optional[int] = ..., datasets: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ...) -> None: ...

class PushDatasetsResponse(_message.Message):
    __slots__ = ("progress", "transfer")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    progress: _registry_pb2.Progress
    transfer: DatasetTransfer
    def __init__(self, progress: _Optional[_Union[_registry_pb2.Progress, _Mapping]] = ..., transfer: _Optional[_Union[DatasetTransfer, _Mapping]] = ...) -> None: ...

class PullDatasetsRequest(_message.Message):
    __slots__ = ("repo", "targets", "remote", "force")
    REPO_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    REMOTE_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    repo: str
    targets: _containers.RepeatedScalarFieldContainer[str]
    remote: str
    force: bool
    def __init__(self, repo: _Optional[str] = ..., targets: _Optional[_Iterable[str]] = ..., remote: _Optional[str] = ..., force: bool = ...) -> None: ...

class PullDatasetsResponse(_message.Message):
    __slots__ = ("progress", "transfer")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    progress: _registry_pb2.Progress
    transfer: DatasetTransfer
    def __init__(self, progress: _Optional[_Union[_registry_pb2.Progress, _Mapping]] = ..., transfer: _Optional[_Union[DatasetTransfer, _Mapping]] = ...) -> None: ...

class CheckoutDatasetRequest(_message.Message):
    __slots__ = ("repo", "targets", "hash", "path", "remote", "force")
    REPO_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    REMOTE_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    repo: str
    targets: _containers.RepeatedScalarFieldContainer[str]
    hash: str
    path: str
    remote: str
    force: bool
    def __init__(self, repo: _Optional[str] = ..., targets: _Optional[_Iterable[str]] = ..., hash: _Optional[str] = ..., path: _Optional[str] = ..., remote: _Optional[str] = ..., force: bool = ...) -> None: ...

class CheckoutDatasetResponse(_message.Message):
    __slots__ = ("progress", "transfer")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    progress: _registry_pb2.Progress
    transfer: DatasetTransfer
    def __init__(self, progress: _Optional[_Union[_registry_pb2.Progress, _Mapping]] = ..., transfer: _Optional[_Union[DatasetTransfer, _Mapping]] = ...) -> None: ...
