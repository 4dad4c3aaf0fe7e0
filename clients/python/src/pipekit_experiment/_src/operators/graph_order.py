"""The order of a graph's nodes, and what is wrong with its names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipekit_experiment._src.errors import InvalidArgumentError


def check_names(nodes: Iterable[str], inputs: Sequence[str]) -> None:
    """Raises InvalidArgumentError for a name that cannot stand in a path, or that stands for two things."""
    seen: set[str] = set()
    for field, names in (("inputs", inputs), ("nodes", nodes)):
        for name in names:
            # A node's name is a part of its operator's path, and of an entry in a ZIP.
            if not isinstance(name, str) or not name or "/" in name or not name.isprintable():  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidArgumentError(
                    f"The name {name!r} in `{field}` is empty, or has a slash or letters that do not print.",
                    field=field,
                    mend="Choose another name.",
                )
            if name in seen:
                raise InvalidArgumentError(
                    f"Two inputs or nodes have the name {name!r}.", field=field, mend="Rename one of them."
                )
            seen.add(name)


def check_edges(nodes: Iterable[str], inputs: Sequence[str], edges: Mapping[str, Sequence[str]]) -> None:
    """Raises InvalidArgumentError for an edge from or to what is not there, and for a cycle, which it
    names."""
    known = set(nodes)
    for name, sources in edges.items():
        if name not in known:
            raise InvalidArgumentError(
                f"`edges` speaks of a node {name!r}, which is not there.",
                field=f"edges.{name}",
                mend=f"The nodes are: {', '.join(sorted(known)) or 'none'}.",
            )
        for source in sources:
            check_source(source, f"edges.{name}", known, inputs)
    order(known, edges)


def check_source(source: str, field: str, nodes: Iterable[str], inputs: Sequence[str]) -> None:
    """Raises InvalidArgumentError unless `source` is a node or an input."""
    if source not in inputs and source not in set(nodes):
        raise InvalidArgumentError(
            f"`{field}` names {source!r}, which is neither a node nor an input.",
            field=field,
            mend=f"There are: {', '.join([*inputs, *sorted(nodes)])}.",
        )


def order(wanted: Iterable[str], edges: Mapping[str, Sequence[str]]) -> list[str]:
    """These names and all that they need, each after what it needs. Raises InvalidArgumentError for a
    cycle."""
    done: dict[str, None] = {}
    for start in sorted(wanted):
        # By hand and not by recursion: a graph may be longer than Python's stack is deep.
        path: dict[str, None] = {}
        pending = [(start, False)]
        while pending:
            name, needs_are_done = pending.pop()
            if needs_are_done:
                del path[name]
                done[name] = None
            elif name in path:
                raise _cycle([*path, name])
            elif name not in done:
                path[name] = None
                pending.append((name, True))
                pending.extend((source, False) for source in reversed(edges.get(name, ())))
    return list(done)


def _cycle(path: list[str]) -> InvalidArgumentError:
    names = path[path.index(path[-1]) :]
    return InvalidArgumentError(
        f"The graph has a cycle: {' <- '.join(names)}.",
        field=f"edges.{names[0]}",
        mend="Take one of these edges out.",
    )
