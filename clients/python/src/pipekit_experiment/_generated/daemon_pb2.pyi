from . import registry_pb2 as _registry_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HelloRequest(_message.Message):
    __slots__ = ("client", "protocol_min", "protocol_max")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MIN_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MAX_FIELD_NUMBER: _ClassVar[int]
    client: str
    protocol_min: int
    protocol_max: int
    def __init__(self, client: _Optional[str] = ..., protocol_min: _Optional[int] = ..., protocol_max: _Optional[int] = ...) -> None: ...

class HelloResponse(_message.Message):
    __slots__ = ("protocol", "daemon_version", "capabilities", "state_folder", "pid", "staging_folder", "principal", "roles")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    DAEMON_VERSION_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    STATE_FOLDER_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    STAGING_FOLDER_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    daemon_version: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    state_folder: str
    pid: int
    staging_folder: str
    principal: str
    roles: _containers.RepeatedCompositeFieldContainer[PrincipalRole]
    def __init__(self, protocol: _Optional[int] = ..., daemon_version: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., state_folder: _Optional[str] = ..., pid: _Optional[int] = ..., staging_folder: _Optional[str] = ..., principal: _Optional[str] = ..., roles: _Optional[_Iterable[_Union[PrincipalRole, _Mapping]]] = ...) -> None: ...

class PrincipalRole(_message.Message):
    __slots__ = ("role", "runs", "tags", "registries", "runs_of_others")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    REGISTRIES_FIELD_NUMBER: _ClassVar[int]
    RUNS_OF_OTHERS_FIELD_NUMBER: _ClassVar[int]
    role: str
    runs: _containers.RepeatedScalarFieldContainer[str]
    tags: _containers.RepeatedScalarFieldContainer[str]
    registries: _containers.RepeatedScalarFieldContainer[str]
    runs_of_others: bool
    def __init__(self, role: _Optional[str] = ..., runs: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ..., registries: _Optional[_Iterable[str]] = ..., runs_of_others: bool = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("daemon_version", "pid", "started_at_us", "state_folder", "endpoint", "journal_bytes", "frames", "points", "runs_running", "runs", "points_pending", "dead_letters", "rss_bytes", "draining", "idle_exit_s", "log_file", "disk_quota_bytes", "disk_used_bytes", "disk_free_bytes", "warnings")
    DAEMON_VERSION_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    STATE_FOLDER_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    RUNS_RUNNING_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    POINTS_PENDING_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    RSS_BYTES_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    IDLE_EXIT_S_FIELD_NUMBER: _ClassVar[int]
    LOG_FILE_FIELD_NUMBER: _ClassVar[int]
    DISK_QUOTA_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    daemon_version: str
    pid: int
    started_at_us: int
    state_folder: str
    endpoint: str
    journal_bytes: int
    frames: int
    points: int
    runs_running: int
    runs: int
    points_pending: int
    dead_letters: int
    rss_bytes: int
    draining: bool
    idle_exit_s: int
    log_file: str
    disk_quota_bytes: int
    disk_used_bytes: int
    disk_free_bytes: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, daemon_version: _Optional[str] = ..., pid: _Optional[int] = ..., started_at_us: _Optional[int] = ..., state_folder: _Optional[str] = ..., endpoint: _Optional[str] = ..., journal_bytes: _Optional[int] = ..., frames: _Optional[int] = ..., points: _Optional[int] = ..., runs_running: _Optional[int] = ..., runs: _Optional[int] = ..., points_pending: _Optional[int] = ..., dead_letters: _Optional[int] = ..., rss_bytes: _Optional[int] = ..., draining: bool = ..., idle_exit_s: _Optional[int] = ..., log_file: _Optional[str] = ..., disk_quota_bytes: _Optional[int] = ..., disk_used_bytes: _Optional[int] = ..., disk_free_bytes: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class ShutdownRequest(_message.Message):
    __slots__ = ("wait_for_delivery_s",)
    WAIT_FOR_DELIVERY_S_FIELD_NUMBER: _ClassVar[int]
    wait_for_delivery_s: int
    def __init__(self, wait_for_delivery_s: _Optional[int] = ...) -> None: ...

class ShutdownResponse(_message.Message):
    __slots__ = ("points_pending",)
    POINTS_PENDING_FIELD_NUMBER: _ClassVar[int]
    points_pending: int
    def __init__(self, points_pending: _Optional[int] = ...) -> None: ...

class HandOverRequest(_message.Message):
    __slots__ = ("version", "protocol_max")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MAX_FIELD_NUMBER: _ClassVar[int]
    version: str
    protocol_max: int
    def __init__(self, version: _Optional[str] = ..., protocol_max: _Optional[int] = ...) -> None: ...

class HandOverResponse(_message.Message):
    __slots__ = ("leaving", "reason", "later")
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LATER_FIELD_NUMBER: _ClassVar[int]
    leaving: bool
    reason: str
    later: bool
    def __init__(self, leaving: bool = ..., reason: _Optional[str] = ..., later: bool = ...) -> None: ...

class PruneRequest(_message.Message):
    __slots__ = ("older_than_s", "run_ids", "apply", "without_sinks")
    OLDER_THAN_S_FIELD_NUMBER: _ClassVar[int]
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    APPLY_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_SINKS_FIELD_NUMBER: _ClassVar[int]
    older_than_s: int
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    apply: bool
    without_sinks: bool
    def __init__(self, older_than_s: _Optional[int] = ..., run_ids: _Optional[_Iterable[str]] = ..., apply: bool = ..., without_sinks: bool = ...) -> None: ...

class PruneResponse(_message.Message):
    __slots__ = ("run_id", "name", "kept", "points", "journal_bytes", "content_bytes", "runs", "done")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    name: str
    kept: str
    points: int
    journal_bytes: int
    content_bytes: int
    runs: int
    done: bool
    def __init__(self, run_id: _Optional[str] = ..., name: _Optional[str] = ..., kept: _Optional[str] = ..., points: _Optional[int] = ..., journal_bytes: _Optional[int] = ..., content_bytes: _Optional[int] = ..., runs: _Optional[int] = ..., done: bool = ...) -> None: ...

class AuditEntry(_message.Message):
    __slots__ = ("seq", "time_us", "kind", "principal", "peer", "method", "subject_json", "outcome", "intent_seq", "count", "prev", "digest")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_JSON_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    INTENT_SEQ_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    PREV_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    seq: int
    time_us: int
    kind: str
    principal: str
    peer: str
    method: str
    subject_json: str
    outcome: str
    intent_seq: int
    count: int
    prev: str
    digest: str
    def __init__(self, seq: _Optional[int] = ..., time_us: _Optional[int] = ..., kind: _Optional[str] = ..., principal: _Optional[str] = ..., peer: _Optional[str] = ..., method: _Optional[str] = ..., subject_json: _Optional[str] = ..., outcome: _Optional[str] = ..., intent_seq: _Optional[int] = ..., count: _Optional[int] = ..., prev: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class ReadAuditRequest(_message.Message):
    __slots__ = ("after_seq", "principal", "method", "since_us", "until_us", "last", "follow")
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SINCE_US_FIELD_NUMBER: _ClassVar[int]
    UNTIL_US_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    after_seq: int
    principal: str
    method: str
    since_us: int
    until_us: int
    last: int
    follow: bool
    def __init__(self, after_seq: _Optional[int] = ..., principal: _Optional[str] = ..., method: _Optional[str] = ..., since_us: _Optional[int] = ..., until_us: _Optional[int] = ..., last: _Optional[int] = ..., follow: bool = ...) -> None: ...

class ReadAuditResponse(_message.Message):
    __slots__ = ("entry",)
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    entry: AuditEntry
    def __init__(self, entry: _Optional[_Union[AuditEntry, _Mapping]] = ...) -> None: ...

class VerifyAuditRequest(_message.Message):
    __slots__ = ("since_seq", "since_digest", "head_only")
    SINCE_SEQ_FIELD_NUMBER: _ClassVar[int]
    SINCE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    HEAD_ONLY_FIELD_NUMBER: _ClassVar[int]
    since_seq: int
    since_digest: str
    head_only: bool
    def __init__(self, since_seq: _Optional[int] = ..., since_digest: _Optional[str] = ..., head_only: bool = ...) -> None: ...

class VerifyAuditResponse(_message.Message):
    __slots__ = ("entries", "head_seq", "head_digest")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    HEAD_SEQ_FIELD_NUMBER: _ClassVar[int]
    HEAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    entries: int
    head_seq: int
    head_digest: str
    def __init__(self, entries: _Optional[int] = ..., head_seq: _Optional[int] = ..., head_digest: _Optional[str] = ...) -> None: ...

class BackupRequest(_message.Message):
    __slots__ = ("path", "include_config")
    PATH_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    path: str
    include_config: bool
    def __init__(self, path: _Optional[str] = ..., include_config: bool = ...) -> None: ...

class BackupResponse(_message.Message):
    __slots__ = ("progress", "made")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    MADE_FIELD_NUMBER: _ClassVar[int]
    progress: _registry_pb2.Progress
    made: BackupMade
    def __init__(self, progress: _Optional[_Union[_registry_pb2.Progress, _Mapping]] = ..., made: _Optional[_Union[BackupMade, _Mapping]] = ...) -> None: ...

class BackupMade(_message.Message):
    __slots__ = ("path", "files", "bytes", "linked_files", "runs", "points", "left_out", "notes", "digest")
    PATH_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    LINKED_FILES_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    path: str
    files: int
    bytes: int
    linked_files: int
    runs: int
    points: int
    left_out: _containers.RepeatedScalarFieldContainer[str]
    notes: _containers.RepeatedScalarFieldContainer[str]
    digest: str
    def __init__(self, path: _Optional[str] = ..., files: _Optional[int] = ..., bytes: _Optional[int] = ..., linked_files: _Optional[int] = ..., runs: _Optional[int] = ..., points: _Optional[int] = ..., left_out: _Optional[_Iterable[str]] = ..., notes: _Optional[_Iterable[str]] = ..., digest: _Optional[str] = ...) -> None: ...
