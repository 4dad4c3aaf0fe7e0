"""Loads the model that `production` names, in a process of its own, and measures it. Prints one JSON line."""

from __future__ import annotations

import json

import pipekit_experiment as pe
from digits import split


def main() -> None:
    """Resolves, loads and runs the model."""
    registry = pe.LocalModelRegistry(trust=["digits"])
    digest = registry.resolve_tag("production")
    op = registry.load("production")
    images, labels = split()[1].tensors
    right = (op(images).argmax(dim=1) == labels).float().mean()
    print(json.dumps({"hash": digest, "accuracy": float(right)}))


if __name__ == "__main__":
    main()
