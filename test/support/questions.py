"""The Python end of python-reader.ts."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any


def answer_questions(answer: Callable[[Any], Any]) -> None:
    """Answers each line of the standard input with a line, until it ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What a library prints must not be taken for an answer.
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            said = {"ok": answer(json.loads(line))}
        except Exception:
            said = {"error": traceback.format_exc()}
        out.write(json.dumps(said, allow_nan=False) + "\n")
        out.flush()
