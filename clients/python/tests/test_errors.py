import pickle

import grpc
import pytest

from pipekit_experiment import errors
from pipekit_experiment._generated.errors_pb2 import ErrorCode, ErrorDetail
from pipekit_experiment._src.errors import ERROR_TRAILER, ERRORS, from_detail, from_rpc_error

CODES = [name.removeprefix("ERROR_CODE_") for name in ErrorCode.keys() if name != "ERROR_CODE_UNSPECIFIED"]  # noqa: SIM118


class Failed(grpc.RpcError, grpc.Call):
    def __init__(self, status, trailers=(), details="out of order"):
        self._status, self._trailers, self._details = status, trailers, details

    def code(self):
        return self._status

    def details(self):
        return self._details

    def trailing_metadata(self):
        return self._trailers

    def initial_metadata(self):
        return ()

    def is_active(self):
        return False

    def time_remaining(self):
        return None

    def cancel(self):
        return False

    def add_callback(self, callback):
        return False


def test_every_code_of_the_proto_has_a_class_and_every_class_is_public():
    assert sorted(ERRORS) == sorted(CODES)
    for error in ERRORS.values():
        assert getattr(errors, error.__name__) is error


@pytest.mark.parametrize("code", CODES)
def test_a_detail_becomes_the_class_of_its_code(code):
    detail = ErrorDetail(
        code=ErrorCode.Value(f"ERROR_CODE_{code}"), message='It\'s "wrong".', field="x", mend="Mend it."
    )
    error = from_detail(detail)
    assert type(error) is ERRORS[code]
    assert (error.code, error.message, error.field, error.mend) == (code, 'It\'s "wrong".', "x", "Mend it.")
    assert str(error) == 'It\'s "wrong". Mend it.'
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.field) == (type(error), str(error), "x")


@pytest.mark.parametrize(
    ("code", "builtin"),
    [
        ("REF_NOT_FOUND", KeyError),
        ("RUN_NOT_FOUND", KeyError),
        ("TAG_EXISTS", FileExistsError),
        ("NOT_AN_OPERATOR", TypeError),
        ("INVALID_CONFIG", ValueError),
        ("INVALID_METRIC", ValueError),
        ("DAEMON_UNAVAILABLE", ConnectionError),
        ("STORAGE_FULL", OSError),
        ("UNSAFE_FOLDER", PermissionError),
        ("UNTRUSTED_MODULE", PermissionError),
        ("ARTIFACT_UNREADABLE", FileNotFoundError),
    ],
)
def test_failures_are_the_exceptions_that_python_code_expects(code, builtin):
    with pytest.raises(builtin):
        raise ERRORS[code]("No.")


def test_a_code_of_a_newer_daemon_is_an_internal_error():
    assert isinstance(from_detail(ErrorDetail(code=9999, message="New.")), errors.InternalError)


def test_a_failed_call_is_read_from_its_trailer():
    detail = ErrorDetail(code=ErrorCode.Value("ERROR_CODE_REF_NOT_FOUND"), message="No tag x.", field="ref")
    trailers = (("other", "y"), (ERROR_TRAILER, detail.SerializeToString()))
    error = from_rpc_error(Failed(grpc.StatusCode.NOT_FOUND, trailers))
    assert isinstance(error, errors.RefNotFoundError)
    assert error.field == "ref"


@pytest.mark.parametrize("status", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
def test_a_call_that_reached_nobody_is_daemon_unavailable(status):
    error = from_rpc_error(Failed(status))
    assert isinstance(error, errors.DaemonUnavailableError)
    assert "pkx" in error.mend


def test_any_other_failed_call_is_an_internal_error_that_keeps_the_details():
    error = from_rpc_error(Failed(grpc.StatusCode.UNKNOWN))
    assert isinstance(error, errors.InternalError)
    assert "out of order" in str(error)


def test_a_full_disk_has_its_errno():
    assert errors.StorageFullError("Full.").errno == 28
