from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StoreRequest(_message.Message):
    __slots__ = ("header", "weights_chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: StoreHeader
    weights_chunk: bytes
    def __init__(self, header: _Optional[_Union[StoreHeader, _Mapping]] = ..., weights_chunk: _Optional[bytes] = ...) -> None: ...

class StoreHeader(_message.Message):
    __slots__ = ("registry", "operator_json", "training_config_json", "dataset_hash", "metadata_json", "preview_json", "run_id", "name", "force", "has_weights", "weights_path", "weights_staged", "weights_format", "actor")
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
    def __init__(self, registry: _Optional[str] = ..., operator_json: _Optional[str] = ..., training_config_json: _Optional[str] = ..., dataset_hash: _Optional[str] = ..., metadata_json: _Optional[str] = ..., preview_json: _Optional[str] = ..., run_id: _Optional[str] = ..., name: _Optional[str] = ..., force: bool = ..., has_weights: bool = ..., weights_path: _Optional[str] = ..., weights_staged: bool = ..., weights_format: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class StoreResponse(_message.Message):
    __slots__ = ("model", "created", "move")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    model: Model
    created: bool
    move: TagMove
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., created: bool = ..., move: _Optional[_Union[TagMove, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("registry", "ref", "by_path", "offset")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    BY_PATH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    registry: str
    ref: str
    by_path: bool
    offset: int
    def __init__(self, registry: _Optional[str] = ..., ref: _Optional[str] = ..., by_path: bool = ..., offset: _Optional[int] = ...) -> None: ...

class LoadResponse(_message.Message):
    __slots__ = ("header", "weights_chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: LoadHeader
    weights_chunk: bytes
    def __init__(self, header: _Optional[_Union[LoadHeader, _Mapping]] = ..., weights_chunk: _Optional[bytes] = ...) -> None: ...

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
    __slots__ = ("registry", "ref", "name", "force", "expected_hash", "actor", "reason")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_HASH_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    registry: str
    ref: str
    name: str
    force: bool
    expected_hash: str
    actor: str
    reason: str
    def __init__(self, registry: _Optional[str] = ..., ref: _Optional[str] = ..., name: _Optional[str] = ..., force: bool = ..., expected_hash: _Optional[str] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class TagResponse(_message.Message):
    __slots__ = ("move",)
    MOVE_FIELD_NUMBER: _ClassVar[int]
    move: TagMove
    def __init__(self, move: _Optional[_Union[TagMove, _Mapping]] = ...) -> None: ...

class TagMove(_message.Message):
    __slots__ = ("name", "seq", "hash", "previous_hash", "actor", "at_us", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_HASH_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    seq: int
    hash: str
    previous_hash: str
    actor: str
    at_us: int
    reason: str
    def __init__(self, name: _Optional[str] = ..., seq: _Optional[int] = ..., hash: _Optional[str] = ..., previous_hash: _Optional[str] = ..., actor: _Optional[str] = ..., at_us: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("registry", "refs")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    REFS_FIELD_NUMBER: _ClassVar[int]
    registry: str
    refs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, registry: _Optional[str] = ..., refs: _Optional[_Iterable[str]] = ...) -> None: ...

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
