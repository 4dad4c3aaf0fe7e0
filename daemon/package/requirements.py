"""Prints, as JSON, the packages that the Python client requires, with all that they require: name, version, licence.

Run by the environment in which the tests ran, so that the versions are those that were tried.
"""

import json
import sys
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement


def closure(name: str) -> dict[str, Distribution]:
    """What a distribution requires, by name; extras apart."""
    found: dict[str, Distribution] = {}
    waiting = [name]
    while waiting:
        for text in distribution(waiting.pop()).requires or ():
            requirement = Requirement(text)
            applies = requirement.marker is None or requirement.marker.evaluate(
                {"extra": ""}
            )
            if applies and requirement.name not in found:
                found[requirement.name] = distribution(requirement.name)
                waiting.append(requirement.name)
    return found


def licence(found: Distribution) -> str:
    """The SPDX expression, or else what its author wrote: in a field, or as a classifier."""
    told = found.metadata
    classifiers = [
        text for text in told.get_all("Classifier", []) if text.startswith("License ::")
    ]
    classifier = classifiers[0].rpartition(" :: ")[2] if classifiers else ""
    return told.get("License-Expression") or told.get("License") or classifier


json.dump(
    [
        {"name": name.lower(), "version": found.version, "licence": licence(found)}
        for name, found in sorted(closure("pipekit-experiment").items())
    ],
    sys.stdout,
)
