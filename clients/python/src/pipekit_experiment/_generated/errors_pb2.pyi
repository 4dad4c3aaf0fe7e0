from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_CODE_UNSPECIFIED: _ClassVar[ErrorCode]
    ERROR_CODE_INVALID_ARGUMENT: _ClassVar[ErrorCode]
    ERROR_CODE_INVALID_CONFIG: _ClassVar[ErrorCode]
    ERROR_CODE_INVALID_METRIC: _ClassVar[ErrorCode]
    ERROR_CODE_INVALID_TRACKER_SPEC: _ClassVar[ErrorCode]
    ERROR_CODE_INVALID_REGISTRY_SPEC: _ClassVar[ErrorCode]
    ERROR_CODE_REF_INVALID: _ClassVar[ErrorCode]
    ERROR_CODE_TAG_NAME_INVALID: _ClassVar[ErrorCode]
    ERROR_CODE_NOT_AN_OPERATOR: _ClassVar[ErrorCode]
    ERROR_CODE_INVALID_FRAME: _ClassVar[ErrorCode]
    ERROR_CODE_REF_NOT_FOUND: _ClassVar[ErrorCode]
    ERROR_CODE_RUN_NOT_FOUND: _ClassVar[ErrorCode]
    ERROR_CODE_ARTIFACT_UNREADABLE: _ClassVar[ErrorCode]
    ERROR_CODE_TAG_EXISTS: _ClassVar[ErrorCode]
    ERROR_CODE_RUN_EXISTS: _ClassVar[ErrorCode]
    ERROR_CODE_RUN_ENDED: _ClassVar[ErrorCode]
    ERROR_CODE_REF_AMBIGUOUS: _ClassVar[ErrorCode]
    ERROR_CODE_PROTOCOL_MISMATCH: _ClassVar[ErrorCode]
    ERROR_CODE_TAG_CONFLICT: _ClassVar[ErrorCode]
    ERROR_CODE_CORRUPT_MODEL: _ClassVar[ErrorCode]
    ERROR_CODE_DAEMON_UNAVAILABLE: _ClassVar[ErrorCode]
    ERROR_CODE_STORAGE_FULL: _ClassVar[ErrorCode]
    ERROR_CODE_UNSAFE_FOLDER: _ClassVar[ErrorCode]
    ERROR_CODE_INVALID_DAEMON_CONFIG: _ClassVar[ErrorCode]
    ERROR_CODE_UNTRUSTED_MODULE: _ClassVar[ErrorCode]
    ERROR_CODE_CORRUPT_JOURNAL: _ClassVar[ErrorCode]
    ERROR_CODE_INTERNAL: _ClassVar[ErrorCode]
    ERROR_CODE_RUN_PRUNED: _ClassVar[ErrorCode]
    ERROR_CODE_REGISTRY_REFUSED: _ClassVar[ErrorCode]
    ERROR_CODE_PREVIEW_MISMATCH: _ClassVar[ErrorCode]
    ERROR_CODE_REGISTRY_UNAVAILABLE: _ClassVar[ErrorCode]
    ERROR_CODE_GC_ABORTED: _ClassVar[ErrorCode]
    ERROR_CODE_CORRUPT_ARCHIVE: _ClassVar[ErrorCode]
    ERROR_CODE_DATASET_NOT_FOUND: _ClassVar[ErrorCode]
    ERROR_CODE_CORRUPT_DATASET: _ClassVar[ErrorCode]
    ERROR_CODE_DATASET_LOCKED: _ClassVar[ErrorCode]
    ERROR_CODE_DATASET_CHANGED: _ClassVar[ErrorCode]
    ERROR_CODE_DATASET_REMOTE_UNAVAILABLE: _ClassVar[ErrorCode]
    ERROR_CODE_CORRUPT_ARTIFACT: _ClassVar[ErrorCode]
    ERROR_CODE_FORMAT_TOO_NEW: _ClassVar[ErrorCode]
    ERROR_CODE_ENVIRONMENT_DRIFT: _ClassVar[ErrorCode]
    ERROR_CODE_UNAUTHENTICATED: _ClassVar[ErrorCode]
    ERROR_CODE_PERMISSION_DENIED: _ClassVar[ErrorCode]
    ERROR_CODE_QUOTA_EXCEEDED: _ClassVar[ErrorCode]
    ERROR_CODE_CORRUPT_AUDIT: _ClassVar[ErrorCode]
    ERROR_CODE_CORRUPT_BACKUP: _ClassVar[ErrorCode]
    ERROR_CODE_SOURCE_UNREADABLE: _ClassVar[ErrorCode]
ERROR_CODE_UNSPECIFIED: ErrorCode
ERROR_CODE_INVALID_ARGUMENT: ErrorCode
ERROR_CODE_INVALID_CONFIG: ErrorCode
ERROR_CODE_INVALID_METRIC: ErrorCode
ERROR_CODE_INVALID_TRACKER_SPEC: ErrorCode
ERROR_CODE_INVALID_REGISTRY_SPEC: ErrorCode
ERROR_CODE_REF_INVALID: ErrorCode
ERROR_CODE_TAG_NAME_INVALID: ErrorCode
ERROR_CODE_NOT_AN_OPERATOR: ErrorCode
ERROR_CODE_INVALID_FRAME: ErrorCode
ERROR_CODE_REF_NOT_FOUND: ErrorCode
ERROR_CODE_RUN_NOT_FOUND: ErrorCode
ERROR_CODE_ARTIFACT_UNREADABLE: ErrorCode
ERROR_CODE_TAG_EXISTS: ErrorCode
ERROR_CODE_RUN_EXISTS: ErrorCode
ERROR_CODE_RUN_ENDED: ErrorCode
ERROR_CODE_REF_AMBIGUOUS: ErrorCode
ERROR_CODE_PROTOCOL_MISMATCH: ErrorCode
ERROR_CODE_TAG_CONFLICT: ErrorCode
ERROR_CODE_CORRUPT_MODEL: ErrorCode
ERROR_CODE_DAEMON_UNAVAILABLE: ErrorCode
ERROR_CODE_STORAGE_FULL: ErrorCode
ERROR_CODE_UNSAFE_FOLDER: ErrorCode
ERROR_CODE_INVALID_DAEMON_CONFIG: ErrorCode
ERROR_CODE_UNTRUSTED_MODULE: ErrorCode
ERROR_CODE_CORRUPT_JOURNAL: ErrorCode
ERROR_CODE_INTERNAL: ErrorCode
ERROR_CODE_RUN_PRUNED: ErrorCode
ERROR_CODE_REGISTRY_REFUSED: ErrorCode
ERROR_CODE_PREVIEW_MISMATCH: ErrorCode
ERROR_CODE_REGISTRY_UNAVAILABLE: ErrorCode
ERROR_CODE_GC_ABORTED: ErrorCode
ERROR_CODE_CORRUPT_ARCHIVE: ErrorCode
ERROR_CODE_DATASET_NOT_FOUND: ErrorCode
ERROR_CODE_CORRUPT_DATASET: ErrorCode
ERROR_CODE_DATASET_LOCKED: ErrorCode
ERROR_CODE_DATASET_CHANGED: ErrorCode
ERROR_CODE_DATASET_REMOTE_UNAVAILABLE: ErrorCode
ERROR_CODE_CORRUPT_ARTIFACT: ErrorCode
ERROR_CODE_FORMAT_TOO_NEW: ErrorCode
ERROR_CODE_ENVIRONMENT_DRIFT: ErrorCode
ERROR_CODE_UNAUTHENTICATED: ErrorCode
ERROR_CODE_PERMISSION_DENIED: ErrorCode
ERROR_CODE_QUOTA_EXCEEDED: ErrorCode
ERROR_CODE_CORRUPT_AUDIT: ErrorCode
ERROR_CODE_CORRUPT_BACKUP: ErrorCode
ERROR_CODE_SOURCE_UNREADABLE: ErrorCode

class ErrorDetail(_message.Message):
    __slots__ = ("code", "message", "field", "mend")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MEND_FIELD_NUMBER: _ClassVar[int]
    code: ErrorCode
    message: str
    field: str
    mend: str
    def __init__(self, code: _Optional[_Union[ErrorCode, str]] = ..., message: _Optional[str] = ..., field: _Optional[str] = ..., mend: _Optional[str] = ...) -> None: ...
