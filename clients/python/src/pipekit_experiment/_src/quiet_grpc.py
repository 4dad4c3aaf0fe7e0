"""grpc, imported so that it logs errors only.

Without this, each fork of a process that is in a call (that is, every worker of a data loader during
training) prints a line of gRPC's log. The setting is read while grpc is imported; it is taken back
afterwards, so that no child process inherits it. A setting of the user's, or an earlier import of grpc, is
left alone."""

from __future__ import annotations

import os
import sys

if "grpc" in sys.modules or "GRPC_VERBOSITY" in os.environ:
    import grpc
else:
    os.environ["GRPC_VERBOSITY"] = "ERROR"
    try:
        import grpc
    finally:
        del os.environ["GRPC_VERBOSITY"]

__all__ = ["grpc"]
