"""The registry in a bucket."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from pipekit_experiment._src.errors import InvalidRegistrySpecError
from pipekit_experiment._src.registry import DaemonRegistry


class S3ModelRegistry(DaemonRegistry):
    """A registry in a bucket of S3, or of a server that speaks its protocol.

    Args:
        bucket: Its name; the bucket must exist.
        prefix: Where in the bucket, such as `team/models/`.
        region: Such as `eu-central-1`; by default what the daemon's AWS configuration says.
        endpoint: Address of another server than AWS, such as `http://127.0.0.1:9000`.
        path_style: The bucket's name in the path, not in the host; by default with an `endpoint` only.
        profile: Of `~/.aws/config`, where the daemon runs.
        sse: Encryption at rest: `AES256`, `aws:kms` or `aws:kms:dsse`.
        kms_key: The key of `aws:kms`.
        storage_class: Such as `STANDARD_IA`.
        poll_ms: How often the daemon looks at a watched tag; by default 1000.
        unsafe_without_conditional_writes: Takes a server that knows none. Two daemons that move one tag in
            the same moment may then lose a move, and a collection may delete what the other stores.
        trust: Modules whose code load() may run, besides pipekit's own packages.

    Credentials are no arguments: the daemon finds them where AWS's own tools do, in the environment that it
    was started with (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE), in `~/.aws`, or from the role
    of the machine. After a change of the environment, stop the daemon: `pkx stop`; the next call starts it.

    The daemon checks the rest: calls raise InvalidRegistrySpecError for a wrong value, RegistryRefusedError
    for lacking credentials or permissions, or a server without conditional writes, and
    RegistryUnavailableError for one that does not answer.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "models/",
        *,
        region: str | None = None,
        endpoint: str | None = None,
        path_style: bool | None = None,
        profile: str | None = None,
        sse: str | None = None,
        kms_key: str | None = None,
        storage_class: str | None = None,
        poll_ms: int | None = None,
        unsafe_without_conditional_writes: bool = False,
        trust: Iterable[str] = (),
    ) -> None:
        if not prefix.strip("/"):
            raise InvalidRegistrySpecError(
                "The prefix is empty.", field="prefix", mend="Give a folder of the bucket, such as models/."
            )
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/"
        options = {
            "region": region,
            "endpoint": endpoint,
            "path_style": path_style,
            "profile": profile,
            "sse": sse,
            "kms_key": kms_key,
            "storage_class": storage_class,
            "poll_ms": poll_ms,
            "unsafe_without_conditional_writes": unsafe_without_conditional_writes or None,
        }
        given = {key: _text(value) for key, value in options.items() if value is not None}
        query = f"?{urlencode(given, quote_via=quote)}" if given else ""
        super().__init__(f"s3://{quote(bucket, safe='')}/{quote(self.prefix)}{query}", trust=trust)


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
