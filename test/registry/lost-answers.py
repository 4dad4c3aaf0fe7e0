"""Makes one call after another that moves a tag; before each it says so and waits for a line.

Called by lost-answers.test.ts with the hash to move to and the one where the tag stands."""

import sys

from pipekit_experiment.registry import DaemonRegistry


class Operator:
    def __init__(self):
        self.state = {"module": "m", "class": "C", "config": {"size": 0}}


registry = DaemonRegistry("")
CALLS = {
    "tag": lambda: registry.tag(sys.argv[1], "prod", force=True, expected=sys.argv[2]),
    "rollback": lambda: registry.rollback("prod"),
    "delete": lambda: registry.delete_tag("prod"),
    "store": lambda: registry.store(Operator(), name="prod", force=True),
}
registry.tags()
for name, call in CALLS.items():
    print(name, flush=True)
    sys.stdin.readline()
    call()
print("done", flush=True)
