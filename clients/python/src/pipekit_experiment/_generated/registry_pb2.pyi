from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StoreRequest(_message.Message):
    __slots__ = ("header", "weights_chunk", "weights_end")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_CHUNK_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_END_FIELD_NUMBER: _ClassVar[int]
    header: StoreHeader
    weights_chunk: bytes
    weights_end: WeightsEnd
    def __init__(self, header: _Optional[_Union[StoreHeader, _Mapping]] = ..., weights_chunk: _Optional[bytes] = ..., weights_end: _Optional[_Union[WeightsEnd, _Mapping]] = ...) -> None: ...

class WeightsEnd(_message.Message):
    __slots__ = ("size",)
    SIZE_FIELD_NUMBER: _ClassVar[int]
    size: int
    def __init__(self, size: _Optional[int] = ...) -> None: ...

class StoreHeader(_message.Message):
    __slots__ = ("registry", "operator_json", "training_config_json", "dataset_hash", "metadata_json", "preview_json", "run_id", "name", "force", "has_weights", "weights_path", "weights_staged", "weights_format", "actor", "hash_only", "move_id")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_JSON_FIELD_NUMBER: _ClassVar[int]
    TRAINING_CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    DATASET_HASH_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_JSON_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    HAS_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_PATH_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_STAGED_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FORMAT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    HASH_ONLY_FIELD_NUMBER: _ClassVar[int]
    MOVE_ID_FIELD_NUMBER: _ClassVar[int]
    registry: str
    operator_json: str
    training_config_json: str
    dataset_hash: str
    metadata_json: str
    preview_json: str
    run_id: str
    name: str
    force: bool
    has_weights: bool
    weights_path: str
    weights_staged: bool
    weights_format: str
    actor: str
    hash_only: bool
    move_id: str
    def __init__(self, registry: _Optional[str] = ..., operator_json: _Optional[str] = ..., training_config_json: _Optional[str] = ..., dataset_hash: _Optional[str] = ..., metadata_json: _Optional[str] = ..., preview_json: _Optional[str] = ..., run_id: _Optional[str] = ..., name: _Optional[str] = ..., force: bool = ..., has_weights: bool = ..., weights_path: _Optional[str] = ..., weights_staged: bool = ..., weights_format: _Optional[str] = ..., actor: _Optional[str] = ..., hash_only: bool = ..., move_id: _Optional[str] = ...) -> None: ...

class StoreResponse(_message.Message):
    __slots__ = ("model", "created", "move")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    model: Model
    created: bool
    move: TagMove
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., created: bool = ..., move: _Optional[_Union[TagMove, _Mapping]] = ...) -> None: ...

class StoreWithProgressRequest(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: StoreRequest
    def __init__(self, request: _Optional[_Union[StoreRequest, _Mapping]] = ...) -> None: ...

class StoreWithProgressResponse(_message.Message):
    __slots__ = ("progress", "stored")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    progress: Progress
    stored: StoreResponse
    def __init__(self, progress: _Optional[_Union[Progress, _Mapping]] = ..., stored: _Optional[_Union[StoreResponse, _Mapping]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("phase", "bytes_done", "bytes_total", "models_done", "models_total", "files_done", "files_total")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    BYTES_DONE_FIELD_NUMBER: _ClassVar[int]
    BYTES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    MODELS_DONE_FIELD_NUMBER: _ClassVar[int]
    MODELS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    FILES_DONE_FIELD_NUMBER: _ClassVar[int]
    FILES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    phase: str
    bytes_done: int
    bytes_total: int
    models_done: int
    models_total: int
    files_done: int
    files_total: int
    def __init__(self, phase: _Optional[str] = ..., bytes_done: _Optional[int] = ..., bytes_total: _Optional[int] = ..., models_done: _Optional[int] = ..., models_total: _Optional[int] = ..., files_done: _Optional[int] = ..., files_total: _Optional[int] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("hash", "manifest", "operator_json", "metadata_json", "weights_sha256", "weights_size", "has_weights", "weights_format", "run_id", "created_at_us", "tags", "training_config_json", "dataset_hash", "preview_json")
    HASH_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_JSON_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SIZE_FIELD_NUMBER: _ClassVar[int]
    HAS_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FORMAT_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    TRAINING_CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    DATASET_HASH_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_JSON_FIELD_NUMBER: _ClassVar[int]
    hash: str
    manifest: str
    operator_json: str
    metadata_json: str
    weights_sha256: str
    weights_size: int
    has_weights: bool
    weights_format: str
    run_id: str
    created_at_us: int
    tags: _containers.RepeatedScalarFieldContainer[str]
    training_config_json: str
    dataset_hash: str
    preview_json: str
    def __init__(self, hash: _Optional[str] = ..., manifest: _Optional[str] = ..., operator_json: _Optional[str] = ..., metadata_json: _Optional[str] = ..., weights_sha256: _Optional[str] = ..., weights_size: _Optional[int] = ..., has_weights: bool = ..., weights_format: _Optional[str] = ..., run_id: _Optional[str] = ..., created_at_us: _Optional[int] = ..., tags: _Optional[_Iterable[str]] = ..., training_config_json: _Optional[str] = ..., dataset_hash: _Optional[str] = ..., preview_json: _Optional[str] = ...) -> None: ...

class LoadRequest(_message.Message):
    __slots__ = ("registry", "ref", "by_path", "offset", "progress")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    BY_PATH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    registry: str
    ref: str
    by_path: bool
    offset: int
    progress: bool
    def __init__(self, registry: _Optional[str] = ..., ref: _Optional[str] = ..., by_path: bool = ..., offset: _Optional[int] = ..., progress: bool = ...) -> None: ...

class LoadResponse(_message.Message):
    __slots__ = ("header", "weights_chunk", "progress")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_CHUNK_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    header: LoadHeader
    weights_chunk: bytes
    progress: Progress
    def __init__(self, header: _Optional[_Union[LoadHeader, _Mapping]] = ..., weights_chunk: _Optional[bytes] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ...) -> None: ...

class LoadHeader(_message.Message):
    __slots__ = ("model", "weights_path")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_PATH_FIELD_NUMBER: _ClassVar[int]
    model: Model
    weights_path: str
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., weights_path: _Optional[str] = ...) -> None: ...

class StatRequest(_message.Message):
    __slots__ = ("registry", "ref")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    registry: str
    ref: str
    def __init__(self, registry: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class StatResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("registry", "metadata_filter_json", "page_size", "page_token")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    METADATA_FILTER_JSON_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    registry: str
    metadata_filter_json: str
    page_size: int
    page_token: str
    def __init__(self, registry: _Optional[str] = ..., metadata_filter_json: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("models", "next_page_token")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    next_page_token: str
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class TagRequest(_message.Message):
    __slots__ = ("registry", "ref", "name", "force", "expected_hash", "actor", "reason", "move_id")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_HASH_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MOVE_ID_FIELD_NUMBER: _ClassVar[int]
    registry: str
    ref: str
    name: str
    force: bool
    expected_hash: str
    actor: str
    reason: str
    move_id: str
    def __init__(self, registry: _Optional[str] = ..., ref: _Optional[str] = ..., name: _Optional[str] = ..., force: bool = ..., expected_hash: _Optional[str] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ..., move_id: _Optional[str] = ...) -> None: ...

class TagResponse(_message.Message):
    __slots__ = ("move",)
    MOVE_FIELD_NUMBER: _ClassVar[int]
    move: TagMove
    def __init__(self, move: _Optional[_Union[TagMove, _Mapping]] = ...) -> None: ...

class TagMove(_message.Message):
    __slots__ = ("name", "seq", "hash", "previous_hash", "actor", "at_us", "reason", "principal")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_HASH_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    seq: int
    hash: str
    previous_hash: str
    actor: str
    at_us: int
    reason: str
    principal: str
    def __init__(self, name: _Optional[str] = ..., seq: _Optional[int] = ..., hash: _Optional[str] = ..., previous_hash: _Optional[str] = ..., actor: _Optional[str] = ..., at_us: _Optional[int] = ..., reason: _Optional[str] = ..., principal: _Optional[str] = ...) -> None: ...

class ResolveTagRequest(_message.Message):
    __slots__ = ("registry", "ref")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    registry: str
    ref: str
    def __init__(self, registry: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class ResolveTagResponse(_message.Message):
    __slots__ = ("hash", "move")
    HASH_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    hash: str
    move: TagMove
    def __init__(self, hash: _Optional[str] = ..., move: _Optional[_Union[TagMove, _Mapping]] = ...) -> None: ...

class TagHistoryRequest(_message.Message):
    __slots__ = ("registry", "name", "page_size", "page_token")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    registry: str
    name: str
    page_size: int
    page_token: str
    def __init__(self, registry: _Optional[str] = ..., name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class TagHistoryResponse(_message.Message):
    __slots__ = ("moves", "next_page_token")
    MOVES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    moves: _containers.RepeatedCompositeFieldContainer[TagMove]
    next_page_token: str
    def __init__(self, moves: _Optional[_Iterable[_Union[TagMove, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchTagRequest(_message.Message):
    __slots__ = ("registry", "name", "after_seq")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    registry: str
    name: str
    after_seq: int
    def __init__(self, registry: _Optional[str] = ..., name: _Optional[str] = ..., after_seq: _Optional[int] = ...) -> None: ...

class WatchTagResponse(_message.Message):
    __slots__ = ("move",)
    MOVE_FIELD_NUMBER: _ClassVar[int]
    move: TagMove
    def __init__(self, move: _Optional[_Union[TagMove, _Mapping]] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("registry", "refs", "quick")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    REFS_FIELD_NUMBER: _ClassVar[int]
    QUICK_FIELD_NUMBER: _ClassVar[int]
    registry: str
    refs: _containers.RepeatedScalarFieldContainer[str]
    quick: bool
    def __init__(self, registry: _Optional[str] = ..., refs: _Optional[_Iterable[str]] = ..., quick: bool = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("hash", "problems", "bytes_read", "total")
    HASH_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    BYTES_READ_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    hash: str
    problems: _containers.RepeatedScalarFieldContainer[str]
    bytes_read: int
    total: int
    def __init__(self, hash: _Optional[str] = ..., problems: _Optional[_Iterable[str]] = ..., bytes_read: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class RollbackTagRequest(_message.Message):
    __slots__ = ("registry", "name", "steps", "actor", "reason", "move_id")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MOVE_ID_FIELD_NUMBER: _ClassVar[int]
    registry: str
    name: str
    steps: int
    actor: str
    reason: str
    move_id: str
    def __init__(self, registry: _Optional[str] = ..., name: _Optional[str] = ..., steps: _Optional[int] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ..., move_id: _Optional[str] = ...) -> None: ...

class RollbackTagResponse(_message.Message):
    __slots__ = ("move",)
    MOVE_FIELD_NUMBER: _ClassVar[int]
    move: TagMove
    def __init__(self, move: _Optional[_Union[TagMove, _Mapping]] = ...) -> None: ...

class DeleteTagRequest(_message.Message):
    __slots__ = ("registry", "name", "expected_hash", "actor", "reason", "move_id")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_HASH_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MOVE_ID_FIELD_NUMBER: _ClassVar[int]
    registry: str
    name: str
    expected_hash: str
    actor: str
    reason: str
    move_id: str
    def __init__(self, registry: _Optional[str] = ..., name: _Optional[str] = ..., expected_hash: _Optional[str] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ..., move_id: _Optional[str] = ...) -> None: ...

class DeleteTagResponse(_message.Message):
    __slots__ = ("move",)
    MOVE_FIELD_NUMBER: _ClassVar[int]
    move: TagMove
    def __init__(self, move: _Optional[_Union[TagMove, _Mapping]] = ...) -> None: ...

class ListTagsRequest(_message.Message):
    __slots__ = ("registry", "page_size", "page_token")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    registry: str
    page_size: int
    page_token: str
    def __init__(self, registry: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTagsResponse(_message.Message):
    __slots__ = ("tags", "next_page_token")
    TAGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tags: _containers.RepeatedCompositeFieldContainer[TagMove]
    next_page_token: str
    def __init__(self, tags: _Optional[_Iterable[_Union[TagMove, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Pin(_message.Message):
    __slots__ = ("hash", "actor", "at_us", "reason")
    HASH_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    hash: str
    actor: str
    at_us: int
    reason: str
    def __init__(self, hash: _Optional[str] = ..., actor: _Optional[str] = ..., at_us: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class PinRequest(_message.Message):
    __slots__ = ("registry", "ref", "actor", "reason")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    registry: str
    ref: str
    actor: str
    reason: str
    def __init__(self, registry: _Optional[str] = ..., ref: _Optional[str] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class PinResponse(_message.Message):
    __slots__ = ("pin",)
    PIN_FIELD_NUMBER: _ClassVar[int]
    pin: Pin
    def __init__(self, pin: _Optional[_Union[Pin, _Mapping]] = ...) -> None: ...

class UnpinRequest(_message.Message):
    __slots__ = ("registry", "ref")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    registry: str
    ref: str
    def __init__(self, registry: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class UnpinResponse(_message.Message):
    __slots__ = ("removed",)
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    removed: bool
    def __init__(self, removed: bool = ...) -> None: ...

class ListPinsRequest(_message.Message):
    __slots__ = ("registry",)
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    registry: str
    def __init__(self, registry: _Optional[str] = ...) -> None: ...

class ListPinsResponse(_message.Message):
    __slots__ = ("pins",)
    PINS_FIELD_NUMBER: _ClassVar[int]
    pins: _containers.RepeatedCompositeFieldContainer[Pin]
    def __init__(self, pins: _Optional[_Iterable[_Union[Pin, _Mapping]]] = ...) -> None: ...

class GcPolicy(_message.Message):
    __slots__ = ("keep_last", "min_age_us", "keep_moves", "keep_moved_us", "keep_metadata_json")
    KEEP_LAST_FIELD_NUMBER: _ClassVar[int]
    MIN_AGE_US_FIELD_NUMBER: _ClassVar[int]
    KEEP_MOVES_FIELD_NUMBER: _ClassVar[int]
    KEEP_MOVED_US_FIELD_NUMBER: _ClassVar[int]
    KEEP_METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    keep_last: int
    min_age_us: int
    keep_moves: int
    keep_moved_us: int
    keep_metadata_json: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, keep_last: _Optional[int] = ..., min_age_us: _Optional[int] = ..., keep_moves: _Optional[int] = ..., keep_moved_us: _Optional[int] = ..., keep_metadata_json: _Optional[_Iterable[str]] = ...) -> None: ...

class GcRequest(_message.Message):
    __slots__ = ("registry", "policy", "apply", "actor")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    APPLY_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    registry: str
    policy: GcPolicy
    apply: bool
    actor: str
    def __init__(self, registry: _Optional[str] = ..., policy: _Optional[_Union[GcPolicy, _Mapping]] = ..., apply: bool = ..., actor: _Optional[str] = ...) -> None: ...

class GcResponse(_message.Message):
    __slots__ = ("entry", "progress", "summary")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    entry: GcEntry
    progress: Progress
    summary: GcSummary
    def __init__(self, entry: _Optional[_Union[GcEntry, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., summary: _Optional[_Union[GcSummary, _Mapping]] = ...) -> None: ...

class GcEntry(_message.Message):
    __slots__ = ("hash", "bytes", "stored_at_us", "deleted", "kept_because", "remains")
    HASH_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    STORED_AT_US_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    KEPT_BECAUSE_FIELD_NUMBER: _ClassVar[int]
    REMAINS_FIELD_NUMBER: _ClassVar[int]
    hash: str
    bytes: int
    stored_at_us: int
    deleted: bool
    kept_because: str
    remains: bool
    def __init__(self, hash: _Optional[str] = ..., bytes: _Optional[int] = ..., stored_at_us: _Optional[int] = ..., deleted: bool = ..., kept_because: _Optional[str] = ..., remains: bool = ...) -> None: ...

class GcSummary(_message.Message):
    __slots__ = ("models", "kept", "candidates", "candidate_bytes", "deleted", "deleted_bytes", "litter", "litter_bytes", "dry_run")
    class KeptEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    MODELS_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    DELETED_BYTES_FIELD_NUMBER: _ClassVar[int]
    LITTER_FIELD_NUMBER: _ClassVar[int]
    LITTER_BYTES_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    models: int
    kept: _containers.ScalarMap[str, int]
    candidates: int
    candidate_bytes: int
    deleted: int
    deleted_bytes: int
    litter: int
    litter_bytes: int
    dry_run: bool
    def __init__(self, models: _Optional[int] = ..., kept: _Optional[_Mapping[str, int]] = ..., candidates: _Optional[int] = ..., candidate_bytes: _Optional[int] = ..., deleted: _Optional[int] = ..., deleted_bytes: _Optional[int] = ..., litter: _Optional[int] = ..., litter_bytes: _Optional[int] = ..., dry_run: bool = ...) -> None: ...

class CopyRequest(_message.Message):
    __slots__ = ("registry", "target", "refs", "without_tags", "force", "actor")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    REFS_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_TAGS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    registry: str
    target: str
    refs: _containers.RepeatedScalarFieldContainer[str]
    without_tags: bool
    force: bool
    actor: str
    def __init__(self, registry: _Optional[str] = ..., target: _Optional[str] = ..., refs: _Optional[_Iterable[str]] = ..., without_tags: bool = ..., force: bool = ..., actor: _Optional[str] = ...) -> None: ...

class ExportRequest(_message.Message):
    __slots__ = ("registry", "path", "refs", "without_tags", "overwrite")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    REFS_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_TAGS_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    registry: str
    path: str
    refs: _containers.RepeatedScalarFieldContainer[str]
    without_tags: bool
    overwrite: bool
    def __init__(self, registry: _Optional[str] = ..., path: _Optional[str] = ..., refs: _Optional[_Iterable[str]] = ..., without_tags: bool = ..., overwrite: bool = ...) -> None: ...

class ImportRequest(_message.Message):
    __slots__ = ("registry", "path", "without_tags", "force", "actor")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_TAGS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    registry: str
    path: str
    without_tags: bool
    force: bool
    actor: str
    def __init__(self, registry: _Optional[str] = ..., path: _Optional[str] = ..., without_tags: bool = ..., force: bool = ..., actor: _Optional[str] = ...) -> None: ...

class CopyResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: CopyEvent
    def __init__(self, event: _Optional[_Union[CopyEvent, _Mapping]] = ...) -> None: ...

class ExportResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: CopyEvent
    def __init__(self, event: _Optional[_Union[CopyEvent, _Mapping]] = ...) -> None: ...

class ImportResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: CopyEvent
    def __init__(self, event: _Optional[_Union[CopyEvent, _Mapping]] = ...) -> None: ...

class CopyEvent(_message.Message):
    __slots__ = ("model", "tag", "progress", "summary")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    model: CopiedModel
    tag: CopiedTag
    progress: Progress
    summary: CopySummary
    def __init__(self, model: _Optional[_Union[CopiedModel, _Mapping]] = ..., tag: _Optional[_Union[CopiedTag, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., summary: _Optional[_Union[CopySummary, _Mapping]] = ...) -> None: ...

class CopiedModel(_message.Message):
    __slots__ = ("hash", "created", "bytes")
    HASH_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    hash: str
    created: bool
    bytes: int
    def __init__(self, hash: _Optional[str] = ..., created: bool = ..., bytes: _Optional[int] = ...) -> None: ...

class CopiedTag(_message.Message):
    __slots__ = ("name", "moves", "problem")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MOVES_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    name: str
    moves: int
    problem: str
    def __init__(self, name: _Optional[str] = ..., moves: _Optional[int] = ..., problem: _Optional[str] = ...) -> None: ...

class CopySummary(_message.Message):
    __slots__ = ("models", "created", "bytes", "tags", "problems")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    models: int
    created: int
    bytes: int
    tags: int
    problems: int
    def __init__(self, models: _Optional[int] = ..., created: _Optional[int] = ..., bytes: _Optional[int] = ..., tags: _Optional[int] = ..., problems: _Optional[int] = ...) -> None: ...

class DiffRequest(_message.Message):
    __slots__ = ("registry", "ref_a", "ref_b")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    REF_A_FIELD_NUMBER: _ClassVar[int]
    REF_B_FIELD_NUMBER: _ClassVar[int]
    registry: str
    ref_a: str
    ref_b: str
    def __init__(self, registry: _Optional[str] = ..., ref_a: _Optional[str] = ..., ref_b: _Optional[str] = ...) -> None: ...

class DiffResponse(_message.Message):
    __slots__ = ("hash_a", "hash_b", "entries", "tensors", "tensors_compared", "same_weights", "same_tensors")
    HASH_A_FIELD_NUMBER: _ClassVar[int]
    HASH_B_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    TENSORS_COMPARED_FIELD_NUMBER: _ClassVar[int]
    SAME_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    SAME_TENSORS_FIELD_NUMBER: _ClassVar[int]
    hash_a: str
    hash_b: str
    entries: _containers.RepeatedCompositeFieldContainer[DiffEntry]
    tensors: _containers.RepeatedCompositeFieldContainer[TensorDiff]
    tensors_compared: bool
    same_weights: bool
    same_tensors: int
    def __init__(self, hash_a: _Optional[str] = ..., hash_b: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[DiffEntry, _Mapping]]] = ..., tensors: _Optional[_Iterable[_Union[TensorDiff, _Mapping]]] = ..., tensors_compared: bool = ..., same_weights: bool = ..., same_tensors: _Optional[int] = ...) -> None: ...

class DiffEntry(_message.Message):
    __slots__ = ("document", "path", "a_json", "b_json")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    A_JSON_FIELD_NUMBER: _ClassVar[int]
    B_JSON_FIELD_NUMBER: _ClassVar[int]
    document: str
    path: str
    a_json: str
    b_json: str
    def __init__(self, document: _Optional[str] = ..., path: _Optional[str] = ..., a_json: _Optional[str] = ..., b_json: _Optional[str] = ...) -> None: ...

class TensorDiff(_message.Message):
    __slots__ = ("name", "a_type", "b_type", "max_difference")
    NAME_FIELD_NUMBER: _ClassVar[int]
    A_TYPE_FIELD_NUMBER: _ClassVar[int]
    B_TYPE_FIELD_NUMBER: _ClassVar[int]
    MAX_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    a_type: str
    b_type: str
    max_difference: float
    def __init__(self, name: _Optional[str] = ..., a_type: _Optional[str] = ..., b_type: _Optional[str] = ..., max_difference: _Optional[float] = ...) -> None: ...

class DescribeRegistryRequest(_message.Message):
    __slots__ = ("registry",)
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    registry: str
    def __init__(self, registry: _Optional[str] = ...) -> None: ...

class DescribeRegistryResponse(_message.Message):
    __slots__ = ("spec", "atomic")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    ATOMIC_FIELD_NUMBER: _ClassVar[int]
    spec: str
    atomic: bool
    def __init__(self, spec: _Optional[str] = ..., atomic: bool = ...) -> None: ...
