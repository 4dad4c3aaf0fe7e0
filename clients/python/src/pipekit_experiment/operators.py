"""Operators for those who have no pipekit: a base class, sequences and graphs, their YAML form.

The registry asks for none of these classes: it is duck-typed, and so are the compositions here, which take
pipekit's operators as well.

`require_trusted` and `trusted_object` are for operators that import by a name which came with a model;
`trusting` is the block in which they trust what `registry.load` was told to trust."""

from __future__ import annotations

from pipekit_experiment._src.operators.base import BytesModelOp, Operator
from pipekit_experiment._src.operators.graph import Graph
from pipekit_experiment._src.operators.ref import ModelRef
from pipekit_experiment._src.operators.sequential import Sequential
from pipekit_experiment._src.operators.walk import walk
from pipekit_experiment._src.operators.yaml import from_yaml, to_yaml
from pipekit_experiment._src.registry_trust import require_trusted, trusted_object, trusting

__all__ = [
    "BytesModelOp",
    "Graph",
    "ModelRef",
    "Operator",
    "Sequential",
    "from_yaml",
    "require_trusted",
    "to_yaml",
    "trusted_object",
    "trusting",
    "walk",
]
