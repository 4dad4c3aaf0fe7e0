from . import errors_pb2 as _errors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATE_UNSPECIFIED: _ClassVar[RunState]
    RUN_STATE_RUNNING: _ClassVar[RunState]
    RUN_STATE_COMPLETED: _ClassVar[RunState]
    RUN_STATE_FAILED: _ClassVar[RunState]

class SinkState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SINK_STATE_UNSPECIFIED: _ClassVar[SinkState]
    SINK_STATE_IDLE: _ClassVar[SinkState]
    SINK_STATE_SENDING: _ClassVar[SinkState]
    SINK_STATE_RETRYING: _ClassVar[SinkState]
    SINK_STATE_DONE: _ClassVar[SinkState]
    SINK_STATE_REFUSED: _ClassVar[SinkState]

class ImportOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMPORT_OUTCOME_UNSPECIFIED: _ClassVar[ImportOutcome]
    IMPORT_OUTCOME_NEW: _ClassVar[ImportOutcome]
    IMPORT_OUTCOME_GROWN: _ClassVar[ImportOutcome]
    IMPORT_OUTCOME_UNCHANGED: _ClassVar[ImportOutcome]
    IMPORT_OUTCOME_LEFT_OUT: _ClassVar[ImportOutcome]
RUN_STATE_UNSPECIFIED: RunState
RUN_STATE_RUNNING: RunState
RUN_STATE_COMPLETED: RunState
RUN_STATE_FAILED: RunState
SINK_STATE_UNSPECIFIED: SinkState
SINK_STATE_IDLE: SinkState
SINK_STATE_SENDING: SinkState
SINK_STATE_RETRYING: SinkState
SINK_STATE_DONE: SinkState
SINK_STATE_REFUSED: SinkState
IMPORT_OUTCOME_UNSPECIFIED: ImportOutcome
IMPORT_OUTCOME_NEW: ImportOutcome
IMPORT_OUTCOME_GROWN: ImportOutcome
IMPORT_OUTCOME_UNCHANGED: ImportOutcome
IMPORT_OUTCOME_LEFT_OUT: ImportOutcome

class Frame(_message.Message):
    __slots__ = ("writer_id", "seq", "run_id", "records")
    WRITER_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    writer_id: str
    seq: int
    run_id: str
    records: _containers.RepeatedCompositeFieldContainer[Record]
    def __init__(self, writer_id: _Optional[str] = ..., seq: _Optional[int] = ..., run_id: _Optional[str] = ..., records: _Optional[_Iterable[_Union[Record, _Mapping]]] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("start", "params", "metrics", "artifact", "tags", "end", "resume")
    START_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    start: RunStart
    params: Params
    metrics: MetricColumns
    artifact: Artifact
    tags: RunTags
    end: RunEnd
    resume: RunResume
    def __init__(self, start: _Optional[_Union[RunStart, _Mapping]] = ..., params: _Optional[_Union[Params, _Mapping]] = ..., metrics: _Optional[_Union[MetricColumns, _Mapping]] = ..., artifact: _Optional[_Union[Artifact, _Mapping]] = ..., tags: _Optional[_Union[RunTags, _Mapping]] = ..., end: _Optional[_Union[RunEnd, _Mapping]] = ..., resume: _Optional[_Union[RunResume, _Mapping]] = ...) -> None: ...

class RunStart(_message.Message):
    __slots__ = ("name", "tracker", "sinks", "pipeline_hash", "config_json", "started_at_us", "client", "host", "pid", "tags", "system_metrics_interval_ms", "member")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    TRACKER_FIELD_NUMBER: _ClassVar[int]
    SINKS_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_HASH_FIELD_NUMBER: _ClassVar[int]
    CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_METRICS_INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    name: str
    tracker: str
    sinks: _containers.RepeatedScalarFieldContainer[str]
    pipeline_hash: str
    config_json: str
    started_at_us: int
    client: str
    host: str
    pid: int
    tags: _containers.ScalarMap[str, str]
    system_metrics_interval_ms: int
    member: GroupMember
    def __init__(self, name: _Optional[str] = ..., tracker: _Optional[str] = ..., sinks: _Optional[_Iterable[str]] = ..., pipeline_hash: _Optional[str] = ..., config_json: _Optional[str] = ..., started_at_us: _Optional[int] = ..., client: _Optional[str] = ..., host: _Optional[str] = ..., pid: _Optional[int] = ..., tags: _Optional[_Mapping[str, str]] = ..., system_metrics_interval_ms: _Optional[int] = ..., member: _Optional[_Union[GroupMember, _Mapping]] = ...) -> None: ...

class GroupMember(_message.Message):
    __slots__ = ("group", "rank", "world_size")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    WORLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    group: str
    rank: int
    world_size: int
    def __init__(self, group: _Optional[str] = ..., rank: _Optional[int] = ..., world_size: _Optional[int] = ...) -> None: ...

class Params(_message.Message):
    __slots__ = ("params_json",)
    PARAMS_JSON_FIELD_NUMBER: _ClassVar[int]
    params_json: str
    def __init__(self, params_json: _Optional[str] = ...) -> None: ...

class RunTags(_message.Message):
    __slots__ = ("tags",)
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TAGS_FIELD_NUMBER: _ClassVar[int]
    tags: _containers.ScalarMap[str, str]
    def __init__(self, tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class MetricColumns(_message.Message):
    __slots__ = ("key_sets", "row_key_set", "row_step", "row_time_us", "values")
    KEY_SETS_FIELD_NUMBER: _ClassVar[int]
    ROW_KEY_SET_FIELD_NUMBER: _ClassVar[int]
    ROW_STEP_FIELD_NUMBER: _ClassVar[int]
    ROW_TIME_US_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    key_sets: _containers.RepeatedCompositeFieldContainer[KeySet]
    row_key_set: bytes
    row_step: bytes
    row_time_us: bytes
    values: bytes
    def __init__(self, key_sets: _Optional[_Iterable[_Union[KeySet, _Mapping]]] = ..., row_key_set: _Optional[bytes] = ..., row_step: _Optional[bytes] = ..., row_time_us: _Optional[bytes] = ..., values: _Optional[bytes] = ...) -> None: ...

class KeySet(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, keys: _Optional[_Iterable[str]] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("name", "path", "staged", "files", "uri")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    STAGED_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    name: str
    path: str
    staged: bool
    files: _containers.RepeatedCompositeFieldContainer[ArtifactFile]
    uri: str
    def __init__(self, name: _Optional[str] = ..., path: _Optional[str] = ..., staged: bool = ..., files: _Optional[_Iterable[_Union[ArtifactFile, _Mapping]]] = ..., uri: _Optional[str] = ...) -> None: ...

class ArtifactFile(_message.Message):
    __slots__ = ("path", "sha256", "size")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    path: str
    sha256: str
    size: int
    def __init__(self, path: _Optional[str] = ..., sha256: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class RunEnd(_message.Message):
    __slots__ = ("state", "reason", "ended_at_us", "member")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    state: RunState
    reason: str
    ended_at_us: int
    member: str
    def __init__(self, state: _Optional[_Union[RunState, str]] = ..., reason: _Optional[str] = ..., ended_at_us: _Optional[int] = ..., member: _Optional[str] = ...) -> None: ...

class RunResume(_message.Message):
    __slots__ = ("resumed_at_us", "client", "host", "pid", "reason")
    RESUMED_AT_US_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    resumed_at_us: int
    client: str
    host: str
    pid: int
    reason: str
    def __init__(self, resumed_at_us: _Optional[int] = ..., client: _Optional[str] = ..., host: _Optional[str] = ..., pid: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class StartRunRequest(_message.Message):
    __slots__ = ("frame",)
    FRAME_FIELD_NUMBER: _ClassVar[int]
    frame: Frame
    def __init__(self, frame: _Optional[_Union[Frame, _Mapping]] = ...) -> None: ...

class StartRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...

class LogRequest(_message.Message):
    __slots__ = ("frame",)
    FRAME_FIELD_NUMBER: _ClassVar[int]
    frame: Frame
    def __init__(self, frame: _Optional[_Union[Frame, _Mapping]] = ...) -> None: ...

class LogResponse(_message.Message):
    __slots__ = ("writer_id", "acked_seq", "rejection")
    WRITER_ID_FIELD_NUMBER: _ClassVar[int]
    ACKED_SEQ_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    writer_id: str
    acked_seq: int
    rejection: _errors_pb2.ErrorDetail
    def __init__(self, writer_id: _Optional[str] = ..., acked_seq: _Optional[int] = ..., rejection: _Optional[_Union[_errors_pb2.ErrorDetail, _Mapping]] = ...) -> None: ...

class AttachArtifactRequest(_message.Message):
    __slots__ = ("writer_id", "seq", "run_id", "artifact")
    WRITER_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    writer_id: str
    seq: int
    run_id: str
    artifact: Artifact
    def __init__(self, writer_id: _Optional[str] = ..., seq: _Optional[int] = ..., run_id: _Optional[str] = ..., artifact: _Optional[_Union[Artifact, _Mapping]] = ...) -> None: ...

class AttachArtifactResponse(_message.Message):
    __slots__ = ("artifact",)
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    artifact: Artifact
    def __init__(self, artifact: _Optional[_Union[Artifact, _Mapping]] = ...) -> None: ...

class EndRunRequest(_message.Message):
    __slots__ = ("writer_id", "seq", "run_id", "end")
    WRITER_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    writer_id: str
    seq: int
    run_id: str
    end: RunEnd
    def __init__(self, writer_id: _Optional[str] = ..., seq: _Optional[int] = ..., run_id: _Optional[str] = ..., end: _Optional[_Union[RunEnd, _Mapping]] = ...) -> None: ...

class EndRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...

class Run(_message.Message):
    __slots__ = ("run_id", "name", "pipeline_hash", "config_json", "state", "reason", "started_at_us", "ended_at_us", "host", "pid", "client", "tags", "params", "points", "series", "artifacts", "sinks", "group")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ParamsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_HASH_FIELD_NUMBER: _ClassVar[int]
    CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    SINKS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    name: str
    pipeline_hash: str
    config_json: str
    state: RunState
    reason: str
    started_at_us: int
    ended_at_us: int
    host: str
    pid: int
    client: str
    tags: _containers.ScalarMap[str, str]
    params: _containers.ScalarMap[str, str]
    points: int
    series: _containers.RepeatedCompositeFieldContainer[SeriesSummary]
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    sinks: _containers.RepeatedCompositeFieldContainer[Sink]
    group: RunGroup
    def __init__(self, run_id: _Optional[str] = ..., name: _Optional[str] = ..., pipeline_hash: _Optional[str] = ..., config_json: _Optional[str] = ..., state: _Optional[_Union[RunState, str]] = ..., reason: _Optional[str] = ..., started_at_us: _Optional[int] = ..., ended_at_us: _Optional[int] = ..., host: _Optional[str] = ..., pid: _Optional[int] = ..., client: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., params: _Optional[_Mapping[str, str]] = ..., points: _Optional[int] = ..., series: _Optional[_Iterable[_Union[SeriesSummary, _Mapping]]] = ..., artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ..., sinks: _Optional[_Iterable[_Union[Sink, _Mapping]]] = ..., group: _Optional[_Union[RunGroup, _Mapping]] = ...) -> None: ...

class RunGroup(_message.Message):
    __slots__ = ("group", "world_size", "members")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    WORLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    group: str
    world_size: int
    members: _containers.RepeatedCompositeFieldContainer[RunMember]
    def __init__(self, group: _Optional[str] = ..., world_size: _Optional[int] = ..., members: _Optional[_Iterable[_Union[RunMember, _Mapping]]] = ...) -> None: ...

class RunMember(_message.Message):
    __slots__ = ("writer_id", "rank", "state", "reason", "host", "pid", "started_at_us", "ended_at_us", "seen_at_us")
    WRITER_ID_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    SEEN_AT_US_FIELD_NUMBER: _ClassVar[int]
    writer_id: str
    rank: int
    state: RunState
    reason: str
    host: str
    pid: int
    started_at_us: int
    ended_at_us: int
    seen_at_us: int
    def __init__(self, writer_id: _Optional[str] = ..., rank: _Optional[int] = ..., state: _Optional[_Union[RunState, str]] = ..., reason: _Optional[str] = ..., host: _Optional[str] = ..., pid: _Optional[int] = ..., started_at_us: _Optional[int] = ..., ended_at_us: _Optional[int] = ..., seen_at_us: _Optional[int] = ...) -> None: ...

class SeriesSummary(_message.Message):
    __slots__ = ("key", "points", "last_step", "last_value", "min_value", "max_value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    LAST_STEP_FIELD_NUMBER: _ClassVar[int]
    LAST_VALUE_FIELD_NUMBER: _ClassVar[int]
    MIN_VALUE_FIELD_NUMBER: _ClassVar[int]
    MAX_VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    points: int
    last_step: int
    last_value: float
    min_value: float
    max_value: float
    def __init__(self, key: _Optional[str] = ..., points: _Optional[int] = ..., last_step: _Optional[int] = ..., last_value: _Optional[float] = ..., min_value: _Optional[float] = ..., max_value: _Optional[float] = ...) -> None: ...

class Sink(_message.Message):
    __slots__ = ("spec", "state", "points_sent", "points_pending", "points_dead", "last_error", "retry_at_us", "remote_id", "remote_url", "points_shown", "notes", "pending_since_us")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    POINTS_SENT_FIELD_NUMBER: _ClassVar[int]
    POINTS_PENDING_FIELD_NUMBER: _ClassVar[int]
    POINTS_DEAD_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    RETRY_AT_US_FIELD_NUMBER: _ClassVar[int]
    REMOTE_ID_FIELD_NUMBER: _ClassVar[int]
    REMOTE_URL_FIELD_NUMBER: _ClassVar[int]
    POINTS_SHOWN_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    PENDING_SINCE_US_FIELD_NUMBER: _ClassVar[int]
    spec: str
    state: SinkState
    points_sent: int
    points_pending: int
    points_dead: int
    last_error: str
    retry_at_us: int
    remote_id: str
    remote_url: str
    points_shown: int
    notes: _containers.RepeatedScalarFieldContainer[str]
    pending_since_us: int
    def __init__(self, spec: _Optional[str] = ..., state: _Optional[_Union[SinkState, str]] = ..., points_sent: _Optional[int] = ..., points_pending: _Optional[int] = ..., points_dead: _Optional[int] = ..., last_error: _Optional[str] = ..., retry_at_us: _Optional[int] = ..., remote_id: _Optional[str] = ..., remote_url: _Optional[str] = ..., points_shown: _Optional[int] = ..., notes: _Optional[_Iterable[str]] = ..., pending_since_us: _Optional[int] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class GetRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "state", "name_contains", "unfinished", "group")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NAME_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    UNFINISHED_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    state: RunState
    name_contains: str
    unfinished: bool
    group: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., state: _Optional[_Union[RunState, str]] = ..., name_contains: _Optional[str] = ..., unfinished: bool = ..., group: _Optional[str] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchRunsRequest(_message.Message):
    __slots__ = ("run_ids",)
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, run_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class WatchRunsResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...

class ReadMetricsRequest(_message.Message):
    __slots__ = ("run_id", "keys", "from_step", "to_step", "max_points")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    FROM_STEP_FIELD_NUMBER: _ClassVar[int]
    TO_STEP_FIELD_NUMBER: _ClassVar[int]
    MAX_POINTS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    keys: _containers.RepeatedScalarFieldContainer[str]
    from_step: int
    to_step: int
    max_points: int
    def __init__(self, run_id: _Optional[str] = ..., keys: _Optional[_Iterable[str]] = ..., from_step: _Optional[int] = ..., to_step: _Optional[int] = ..., max_points: _Optional[int] = ...) -> None: ...

class ReadMetricsResponse(_message.Message):
    __slots__ = ("key", "steps", "values", "times_us", "points_in_range")
    KEY_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TIMES_US_FIELD_NUMBER: _ClassVar[int]
    POINTS_IN_RANGE_FIELD_NUMBER: _ClassVar[int]
    key: str
    steps: bytes
    values: bytes
    times_us: bytes
    points_in_range: int
    def __init__(self, key: _Optional[str] = ..., steps: _Optional[bytes] = ..., values: _Optional[bytes] = ..., times_us: _Optional[bytes] = ..., points_in_range: _Optional[int] = ...) -> None: ...

class WatchMetricsRequest(_message.Message):
    __slots__ = ("run_id", "keys", "max_points")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    MAX_POINTS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    keys: _containers.RepeatedScalarFieldContainer[str]
    max_points: int
    def __init__(self, run_id: _Optional[str] = ..., keys: _Optional[_Iterable[str]] = ..., max_points: _Optional[int] = ...) -> None: ...

class WatchMetricsResponse(_message.Message):
    __slots__ = ("series", "live")
    SERIES_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    series: _containers.RepeatedCompositeFieldContainer[ReadMetricsResponse]
    live: bool
    def __init__(self, series: _Optional[_Iterable[_Union[ReadMetricsResponse, _Mapping]]] = ..., live: bool = ...) -> None: ...

class SinkStatusRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class SinkStatusResponse(_message.Message):
    __slots__ = ("sinks", "dead_letters")
    SINKS_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    sinks: _containers.RepeatedCompositeFieldContainer[Sink]
    dead_letters: _containers.RepeatedCompositeFieldContainer[DeadLetter]
    def __init__(self, sinks: _Optional[_Iterable[_Union[Sink, _Mapping]]] = ..., dead_letters: _Optional[_Iterable[_Union[DeadLetter, _Mapping]]] = ...) -> None: ...

class DeadLetter(_message.Message):
    __slots__ = ("id", "spec", "kind", "points", "reason", "at_us", "run_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    spec: str
    kind: str
    points: int
    reason: str
    at_us: int
    run_id: str
    def __init__(self, id: _Optional[int] = ..., spec: _Optional[str] = ..., kind: _Optional[str] = ..., points: _Optional[int] = ..., reason: _Optional[str] = ..., at_us: _Optional[int] = ..., run_id: _Optional[str] = ...) -> None: ...

class SyncRequest(_message.Message):
    __slots__ = ("run_ids", "sinks", "tracker", "state_folder", "keep_sinks", "follow")
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    SINKS_FIELD_NUMBER: _ClassVar[int]
    TRACKER_FIELD_NUMBER: _ClassVar[int]
    STATE_FOLDER_FIELD_NUMBER: _ClassVar[int]
    KEEP_SINKS_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    sinks: _containers.RepeatedScalarFieldContainer[str]
    tracker: str
    state_folder: str
    keep_sinks: bool
    follow: bool
    def __init__(self, run_ids: _Optional[_Iterable[str]] = ..., sinks: _Optional[_Iterable[str]] = ..., tracker: _Optional[str] = ..., state_folder: _Optional[str] = ..., keep_sinks: bool = ..., follow: bool = ...) -> None: ...

class SyncResponse(_message.Message):
    __slots__ = ("runs", "runs_delivered", "frames_read", "frames_taken", "points", "points_pending", "points_dead", "done", "notes")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    RUNS_DELIVERED_FIELD_NUMBER: _ClassVar[int]
    FRAMES_READ_FIELD_NUMBER: _ClassVar[int]
    FRAMES_TAKEN_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    POINTS_PENDING_FIELD_NUMBER: _ClassVar[int]
    POINTS_DEAD_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    runs: int
    runs_delivered: int
    frames_read: int
    frames_taken: int
    points: int
    points_pending: int
    points_dead: int
    done: bool
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, runs: _Optional[int] = ..., runs_delivered: _Optional[int] = ..., frames_read: _Optional[int] = ..., frames_taken: _Optional[int] = ..., points: _Optional[int] = ..., points_pending: _Optional[int] = ..., points_dead: _Optional[int] = ..., done: bool = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class ListDeadLettersRequest(_message.Message):
    __slots__ = ("run_id", "sink", "page_size", "after_id", "with_records")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SINK_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_RECORDS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    sink: str
    page_size: int
    after_id: int
    with_records: bool
    def __init__(self, run_id: _Optional[str] = ..., sink: _Optional[str] = ..., page_size: _Optional[int] = ..., after_id: _Optional[int] = ..., with_records: bool = ...) -> None: ...

class ListDeadLettersResponse(_message.Message):
    __slots__ = ("dead_letters", "more", "records")
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    dead_letters: _containers.RepeatedCompositeFieldContainer[DeadLetter]
    more: bool
    records: _containers.RepeatedCompositeFieldContainer[DeadLetterRecords]
    def __init__(self, dead_letters: _Optional[_Iterable[_Union[DeadLetter, _Mapping]]] = ..., more: bool = ..., records: _Optional[_Iterable[_Union[DeadLetterRecords, _Mapping]]] = ...) -> None: ...

class DeadLetterRecords(_message.Message):
    __slots__ = ("id", "lines")
    ID_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    id: int
    lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[int] = ..., lines: _Optional[_Iterable[str]] = ...) -> None: ...

class RedriveDeadLettersRequest(_message.Message):
    __slots__ = ("run_id", "sink", "ids")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SINK_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    sink: str
    ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, run_id: _Optional[str] = ..., sink: _Optional[str] = ..., ids: _Optional[_Iterable[int]] = ...) -> None: ...

class RedriveDeadLettersResponse(_message.Message):
    __slots__ = ("taken", "refused", "waiting", "points_taken")
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    POINTS_TAKEN_FIELD_NUMBER: _ClassVar[int]
    taken: int
    refused: int
    waiting: int
    points_taken: int
    def __init__(self, taken: _Optional[int] = ..., refused: _Optional[int] = ..., waiting: _Optional[int] = ..., points_taken: _Optional[int] = ...) -> None: ...

class ImportRunsRequest(_message.Message):
    __slots__ = ("source", "sinks", "tracker", "dry_run", "only")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SINKS_FIELD_NUMBER: _ClassVar[int]
    TRACKER_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    ONLY_FIELD_NUMBER: _ClassVar[int]
    source: str
    sinks: _containers.RepeatedScalarFieldContainer[str]
    tracker: str
    dry_run: bool
    only: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, source: _Optional[str] = ..., sinks: _Optional[_Iterable[str]] = ..., tracker: _Optional[str] = ..., dry_run: bool = ..., only: _Optional[_Iterable[str]] = ...) -> None: ...

class ImportRunsResponse(_message.Message):
    __slots__ = ("runs_read", "points_read", "points_taken", "runs", "notes", "done")
    RUNS_READ_FIELD_NUMBER: _ClassVar[int]
    POINTS_READ_FIELD_NUMBER: _ClassVar[int]
    POINTS_TAKEN_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    runs_read: int
    points_read: int
    points_taken: int
    runs: _containers.RepeatedCompositeFieldContainer[ImportedRun]
    notes: _containers.RepeatedScalarFieldContainer[str]
    done: bool
    def __init__(self, runs_read: _Optional[int] = ..., points_read: _Optional[int] = ..., points_taken: _Optional[int] = ..., runs: _Optional[_Iterable[_Union[ImportedRun, _Mapping]]] = ..., notes: _Optional[_Iterable[str]] = ..., done: bool = ...) -> None: ...

class ImportedRun(_message.Message):
    __slots__ = ("source_id", "name", "run_id", "outcome", "points_taken")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    POINTS_TAKEN_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    name: str
    run_id: str
    outcome: ImportOutcome
    points_taken: int
    def __init__(self, source_id: _Optional[str] = ..., name: _Optional[str] = ..., run_id: _Optional[str] = ..., outcome: _Optional[_Union[ImportOutcome, str]] = ..., points_taken: _Optional[int] = ...) -> None: ...

class ForwardedFrames(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[ForwardedFrame]
    def __init__(self, frames: _Optional[_Iterable[_Union[ForwardedFrame, _Mapping]]] = ...) -> None: ...

class ForwardedFrame(_message.Message):
    __slots__ = ("frame", "previous_seq")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SEQ_FIELD_NUMBER: _ClassVar[int]
    frame: Frame
    previous_seq: int
    def __init__(self, frame: _Optional[_Union[Frame, _Mapping]] = ..., previous_seq: _Optional[int] = ...) -> None: ...
