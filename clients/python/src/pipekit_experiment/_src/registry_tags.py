"""Names that point to models."""

from __future__ import annotations

from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment._src.registry_base import PAGE, RegistryCalls, actor, whole
from pipekit_experiment._src.registry_types import TagMove, tag_move
from pipekit_experiment._src.registry_watch import TagWatch


class TagCalls(RegistryCalls):
    """Moves, reads and follows tags."""

    def tag(
        self, hash: str, name: str, *, force: bool = False, expected: str | None = None, reason: str = ""
    ) -> None:
        """Points `name` to a model (any ref will do) by one atomic, logged move.

        A name is written once unless `force` is given. With `expected`, the move is made only if the name
        points to that hash now. Raises TagExistsError (a FileExistsError), TagConflictError,
        TagNameInvalidError.

        Here and in rollback() and delete_tag() a call whose answer is lost is made once more, and the tag
        moves once; after a DaemonUnavailableError `history()` tells whether it was moved."""
        self._move(
            "Tag",
            pb.TagRequest(
                registry=self.spec,
                ref=hash,
                name=name,
                force=force,
                expected_hash=expected or "",
                actor=actor(),
                reason=reason,
            ),
        )

    def rollback(self, name: str, steps: int = 1, *, reason: str = "") -> TagMove:
        """Points `name` back to where it pointed `steps` moves ago, by a new, logged move.

        Raises TagConflictError when the tag moves meanwhile."""
        request = pb.RollbackTagRequest(
            registry=self.spec, name=name, steps=whole(steps, "steps"), actor=actor(), reason=reason
        )
        return tag_move(self._move("RollbackTag", request).move)

    def delete_tag(self, name: str, *, expected: str | None = None, reason: str = "") -> TagMove:
        """Makes `name` lead nowhere, by a logged move whose hash is empty. Its history is kept, and a later
        `tag()` of the name goes on with it.

        With `expected`, only if the name points to that hash now. Raises TagConflictError."""
        request = pb.DeleteTagRequest(
            registry=self.spec, name=name, expected_hash=expected or "", actor=actor(), reason=reason
        )
        return tag_move(self._move("DeleteTag", request).move)

    def tags(self) -> dict[str, str]:
        """The names that lead to a model, sorted, each with its hash."""
        pages = self._pages("ListTags", pb.ListTagsRequest(registry=self.spec, page_size=PAGE))
        return {move.name: move.hash for page in pages for move in page.tags}

    def resolve_tag(self, name: str) -> str:
        """The hash that a name (or any ref) stands for."""
        return self._call("ResolveTag", pb.ResolveTagRequest(registry=self.spec, ref=name)).hash

    def history(self, name: str) -> list[TagMove]:
        """The moves of a tag, newest first."""
        request = pb.TagHistoryRequest(registry=self.spec, name=name, page_size=PAGE)
        return [tag_move(move) for page in self._pages("TagHistory", request) for move in page.moves]

    def watch_tag(self, name: str, after_seq: int = 0) -> TagWatch:
        """The tag's moves after `after_seq`, then each new one as it is made.

        With 0 the first is the current move, if there is one; the tag need not exist yet. A move that
        deletes the tag comes too: it is `deleted` and has no hash. The iterator blocks; `close()` from any
        thread ends it. It outlives a restart of the daemon."""
        return TagWatch(self.spec, name, whole(after_seq, "after_seq"))
