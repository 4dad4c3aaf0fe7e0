"""One tracker under one load; one JSON line.

Usage:
  peer_log.py PEER FOLDER full|paced CALLS    time CALLS calls of ten scalars, then the drain
  peer_log.py PEER FOLDER forever             log ten scalars each 2 ms until killed; a line a call
  peer_log.py PEER FOLDER shown               count what the tool can show
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path

from peers import PEERS, Peer

SCALARS = {f"metric/{i}": 0.5 + i for i in range(10)}
WARM_UP = 3
PAUSE_S = 0.002


def timed(peer: Peer, calls: int, pause_s: float) -> dict[str, float]:
    """Times each call alone, then `finish`."""
    took: list[int] = []
    for step in range(WARM_UP):
        peer.log(SCALARS, step)
    began = time.perf_counter()
    for step in range(WARM_UP, WARM_UP + calls):
        start = time.perf_counter_ns()
        peer.log(SCALARS, step)
        took.append(time.perf_counter_ns() - start)
        if pause_s:
            time.sleep(pause_s)
    logged = time.perf_counter()
    peer.finish()
    ended = time.perf_counter()
    took.sort()

    def at(share: float) -> float:
        return took[max(0, math.ceil(share * len(took)) - 1)] / 1000

    return {
        "p50_us": at(0.5),
        "p99_us": at(0.99),
        "max_us": took[-1] / 1000,
        "drain_s": ended - logged,
        "points_per_s": calls * len(SCALARS) / (ended - began),
    }


def peak_mib() -> float:
    """Largest resident memory of this process and of those that it has started, MiB."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if status.parent.name == str(os.getpid()) or fields["PPid"].strip() == str(os.getpid()):
                total += int(fields["VmHWM"].split()[0])
        except (OSError, KeyError):
            # It has ended meanwhile, or is a thread of the kernel.
            continue
    return total / 1024


def main() -> None:
    name, folder, mode = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    peer: Peer = PEERS[name]()
    if mode == "shown":
        print(json.dumps({"points": peer.shown(folder)}))
        return
    peer.open(folder)
    if mode == "forever":
        step = 0
        while True:
            peer.log(SCALARS, step)
            step += 1
            os.write(1, f"logged {step}\n".encode())
            time.sleep(PAUSE_S)
    result = timed(peer, int(sys.argv[4]), PAUSE_S if mode == "paced" else 0)
    print(json.dumps({**result, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
