from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConfigNodeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONFIG_NODE_KIND_UNSPECIFIED: _ClassVar[ConfigNodeKind]
    CONFIG_NODE_KIND_MAPPING: _ClassVar[ConfigNodeKind]
    CONFIG_NODE_KIND_SEQUENCE: _ClassVar[ConfigNodeKind]
    CONFIG_NODE_KIND_SCALAR: _ClassVar[ConfigNodeKind]
    CONFIG_NODE_KIND_INTERPOLATION: _ClassVar[ConfigNodeKind]
    CONFIG_NODE_KIND_MISSING: _ClassVar[ConfigNodeKind]
CONFIG_NODE_KIND_UNSPECIFIED: ConfigNodeKind
CONFIG_NODE_KIND_MAPPING: ConfigNodeKind
CONFIG_NODE_KIND_SEQUENCE: ConfigNodeKind
CONFIG_NODE_KIND_SCALAR: ConfigNodeKind
CONFIG_NODE_KIND_INTERPOLATION: ConfigNodeKind
CONFIG_NODE_KIND_MISSING: ConfigNodeKind

class ConfigPosition(_message.Message):
    __slots__ = ("line", "character")
    LINE_FIELD_NUMBER: _ClassVar[int]
    CHARACTER_FIELD_NUMBER: _ClassVar[int]
    line: int
    character: int
    def __init__(self, line: _Optional[int] = ..., character: _Optional[int] = ...) -> None: ...

class ConfigRange(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: ConfigPosition
    end: ConfigPosition
    def __init__(self, start: _Optional[_Union[ConfigPosition, _Mapping]] = ..., end: _Optional[_Union[ConfigPosition, _Mapping]] = ...) -> None: ...

class ConfigNode(_message.Message):
    __slots__ = ("path", "kind", "key", "value", "resolved_json", "target")
    PATH_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_JSON_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    path: str
    kind: ConfigNodeKind
    key: ConfigRange
    value: ConfigRange
    resolved_json: str
    target: str
    def __init__(self, path: _Optional[str] = ..., kind: _Optional[_Union[ConfigNodeKind, str]] = ..., key: _Optional[_Union[ConfigRange, _Mapping]] = ..., value: _Optional[_Union[ConfigRange, _Mapping]] = ..., resolved_json: _Optional[str] = ..., target: _Optional[str] = ...) -> None: ...

class ConfigProblem(_message.Message):
    __slots__ = ("code", "path", "message", "mend", "range", "is_error")
    CODE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MEND_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    IS_ERROR_FIELD_NUMBER: _ClassVar[int]
    code: str
    path: str
    message: str
    mend: str
    range: ConfigRange
    is_error: bool
    def __init__(self, code: _Optional[str] = ..., path: _Optional[str] = ..., message: _Optional[str] = ..., mend: _Optional[str] = ..., range: _Optional[_Union[ConfigRange, _Mapping]] = ..., is_error: bool = ...) -> None: ...

class ParseConfigRequest(_message.Message):
    __slots__ = ("text", "env", "hydra_json")
    class EnvEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    HYDRA_JSON_FIELD_NUMBER: _ClassVar[int]
    text: str
    env: _containers.ScalarMap[str, str]
    hydra_json: str
    def __init__(self, text: _Optional[str] = ..., env: _Optional[_Mapping[str, str]] = ..., hydra_json: _Optional[str] = ...) -> None: ...

class ParseConfigResponse(_message.Message):
    __slots__ = ("resolved_json", "nodes", "problems")
    RESOLVED_JSON_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    resolved_json: str
    nodes: _containers.RepeatedCompositeFieldContainer[ConfigNode]
    problems: _containers.RepeatedCompositeFieldContainer[ConfigProblem]
    def __init__(self, resolved_json: _Optional[str] = ..., nodes: _Optional[_Iterable[_Union[ConfigNode, _Mapping]]] = ..., problems: _Optional[_Iterable[_Union[ConfigProblem, _Mapping]]] = ...) -> None: ...

class ReadHydraRunRequest(_message.Message):
    __slots__ = ("folder", "env")
    class EnvEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    folder: str
    env: _containers.ScalarMap[str, str]
    def __init__(self, folder: _Optional[str] = ..., env: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ReadHydraRunResponse(_message.Message):
    __slots__ = ("config_json", "overrides", "job_name", "config_name", "hydra_version", "problems")
    CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    OVERRIDES_FIELD_NUMBER: _ClassVar[int]
    JOB_NAME_FIELD_NUMBER: _ClassVar[int]
    CONFIG_NAME_FIELD_NUMBER: _ClassVar[int]
    HYDRA_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    config_json: str
    overrides: _containers.RepeatedScalarFieldContainer[str]
    job_name: str
    config_name: str
    hydra_version: str
    problems: _containers.RepeatedCompositeFieldContainer[ConfigProblem]
    def __init__(self, config_json: _Optional[str] = ..., overrides: _Optional[_Iterable[str]] = ..., job_name: _Optional[str] = ..., config_name: _Optional[str] = ..., hydra_version: _Optional[str] = ..., problems: _Optional[_Iterable[_Union[ConfigProblem, _Mapping]]] = ...) -> None: ...
