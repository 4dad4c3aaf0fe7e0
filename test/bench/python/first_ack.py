"""From a cold start (no daemon) to the first durable acknowledgement; one JSON line."""

import time

START = time.perf_counter()

import json  # noqa: E402

import pipekit_experiment as pe  # noqa: E402

if __name__ == "__main__":
    imported = time.perf_counter()
    run = pe.start_run("bench-first-ack")
    acknowledged = time.perf_counter()
    run.end()
    print(
        json.dumps(
            {
                "import_ms": (imported - START) * 1e3,
                "first_ack_ms": (acknowledged - imported) * 1e3,
            }
        )
    )
