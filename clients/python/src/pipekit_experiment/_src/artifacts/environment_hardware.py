"""What the machine is: processor and GPUs."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

_WAIT_S = 5.0


def processor() -> str:
    """The processor's name; empty when the system does not tell."""
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string").strip() or platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    return next((name for name in named if name), platform.processor())


def gpus() -> list[dict[str, str]]:
    """Name, driver and memory (MiB) of each NVIDIA GPU; empty where there is none."""
    told = _output(
        "nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader,nounits"
    )
    rows = ([part.strip() for part in line.split(",")] for line in told.splitlines())
    return [dict(zip(("name", "driver", "memory_mib"), row, strict=True)) for row in rows if len(row) == 3]


def _output(*command: str) -> str:
    """What a program prints; empty when it is not there, fails or hangs."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_WAIT_S,
            check=False,
            env=os.environ,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""
