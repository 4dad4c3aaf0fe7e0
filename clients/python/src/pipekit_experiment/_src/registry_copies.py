"""Models from one place to another, and models beside each other."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment._src.copy_report import CopiedModel, CopiedTag, CopyReport, copied_model, copied_tag
from pipekit_experiment._src.model_diff import ModelDiff, model_diff
from pipekit_experiment._src.progress_line import OnProgress, progress_of, telling
from pipekit_experiment._src.registry_base import RegistryCalls, actor
from pipekit_experiment._src.registry_calls import ask, cancelling, incomplete


class CopyCalls(RegistryCalls):
    """Copies, exports, imports and compares."""

    def copy_to(
        self,
        other: RegistryCalls | str,
        refs: str | Iterable[str] = (),
        *,
        tags: bool = True,
        force: bool = False,
        progress: bool | OnProgress | None = None,
    ) -> CopyReport:
        """Brings models, by default all, into another registry (or the registry of a spec).

        What is there is not sent again, so that a copy that was broken off is taken up by the same call.

        Args:
            other: Where to.
            refs: Which models.
            tags: Brings the tags that point to them too, with their histories.
            force: Lets a tag move whose history went another way there. Without it such a tag is left as it
                is and told in the report.
            progress: As with `store`.
        """
        request = pb.CopyRequest(
            registry=self.spec,
            target=other if isinstance(other, str) else other.spec,
            refs=_refs(refs),
            without_tags=not tags,
            force=force,
            actor=actor(),
        )
        with telling(progress, "copy") as tell:
            return ask(lambda stub, _: _report(stub.Copy(request), tell))

    def export(
        self,
        path: str | os.PathLike[str],
        refs: str | Iterable[str] = (),
        *,
        tags: bool = True,
        overwrite: bool = False,
        progress: bool | OnProgress | None = None,
    ) -> CopyReport:
        """Writes models, by default all, into one archive file on the daemon's host, which appears when it
        is whole. Raises ArtifactUnreadableError, StorageFullError."""
        request = pb.ExportRequest(
            registry=self.spec,
            path=_absolute(path),
            refs=_refs(refs),
            without_tags=not tags,
            overwrite=overwrite,
        )
        with telling(progress, "export") as tell:
            # The second try would find the file of the first one.
            return ask(lambda stub, _: _report(stub.Export(request), tell), repeatable=overwrite)

    def import_archive(
        self,
        path: str | os.PathLike[str],
        *,
        tags: bool = True,
        force: bool = False,
        progress: bool | OnProgress | None = None,
    ) -> CopyReport:
        """Brings the models of an archive on the daemon's host in. What is there is left as it is.

        Raises ArtifactUnreadableError, CorruptArchiveError, StorageFullError."""
        request = pb.ImportRequest(
            registry=self.spec, path=_absolute(path), without_tags=not tags, force=force, actor=actor()
        )
        with telling(progress, "import") as tell:
            return ask(lambda stub, _: _report(stub.Import(request), tell))

    def diff(self, a: str, b: str) -> ModelDiff:
        """Tells in what two models differ: config, metadata, tensors by name. Print it to read it.

        Raises CorruptModelError."""
        request = pb.DiffRequest(registry=self.spec, ref_a=a, ref_b=b)
        # Without a limit of time: it reads the weights of both.
        return model_diff(ask(lambda stub, _: stub.Diff(request)))


def _report(call: Any, tell: OnProgress | None) -> CopyReport:
    models: list[CopiedModel] = []
    tags: list[CopiedTag] = []
    with cancelling(call) as answers:
        for answer in answers:
            event = answer.event
            part = event.WhichOneof("part")
            if part == "model":
                models.append(copied_model(event.model))
            elif part == "tag":
                tags.append(copied_tag(event.tag))
            elif part == "progress" and tell is not None:
                tell(progress_of(event.progress))
            elif part == "summary":
                return CopyReport(tuple(models), tuple(tags), event.summary.bytes)
    raise incomplete("a copy")


def _refs(refs: str | Iterable[str]) -> list[str]:
    return [refs] if isinstance(refs, str) else list(refs)


def _absolute(path: str | os.PathLike[str]) -> str:
    return os.path.abspath(os.path.expanduser(os.fspath(path)))
