"""Resolves configs as OmegaConf does: JSON {text, env} a line in, {resolved} or {refused} a line out."""

import json
import math
import os
import pathlib
import sys
import warnings

from omegaconf import OmegaConf


def tellable(value):
    """JSON has no NaN, infinities or paths: a reader of configs tells them as texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, pathlib.PurePath):
        return str(value)
    if isinstance(value, dict):
        return {key: tellable(entry) for key, entry in value.items()}
    return [tellable(entry) for entry in value] if isinstance(value, list) else value


def resolved(text):
    config = OmegaConf.create(text)
    return json.dumps(tellable(OmegaConf.to_container(config, resolve=True)))


def main():
    warnings.simplefilter("ignore")
    own = dict(os.environ)
    for line in sys.stdin:
        case = json.loads(line)
        os.environ.clear()
        os.environ.update({**own, **case["env"]})
        try:
            answer = {"resolved": resolved(case["text"])}
        except Exception as error:
            answer = {"refused": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer))


main()
