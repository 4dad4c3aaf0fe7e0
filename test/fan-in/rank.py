"""One rank of a job: logs what it is told to, under the launcher's environment. Prints the run's id.

Usage: rank.py ROWS
"""

from __future__ import annotations

import sys
import time

import pipekit_experiment as pe

PAUSE_S = 0.002


def main(rows: int) -> None:
    """Logs rows; rank 0 says what the run is."""
    run = pe.start_run("wide", group="auto", config={"lr": 0.1}, tags={"team": "eo"}, rank_prefix=True)
    print(run.run_id, flush=True)
    for step in range(rows):
        run.log({"loss": 1 / (step + 1), "tokens": step}, step)
        time.sleep(PAUSE_S)
    run.end(timeout_s=60)


if __name__ == "__main__":
    main(int(sys.argv[1]))
