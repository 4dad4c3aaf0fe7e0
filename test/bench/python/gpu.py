"""
What logging costs a loop on a GPU: values that are still being computed there, from the default stream, from
one of their own, and from JAX. Prints one JSON line; exits 3 where there is no CUDA device.

`log` is the time of a call while the GPU is busy with work that takes far longer than the call: a call that
waited for the device would take that long, as the peer `item` (a float() of each value in the loop) does.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import pipekit_experiment as pe
import torch

KEYS = [f"metric/{i}" for i in range(10)]
STEPS = 300
TRAIN_STEPS = 2000


def quantiles(times: list[float]) -> dict[str, float]:
    """Of seconds, in microseconds."""
    times = sorted(times)
    return {
        "p50_us": statistics.median(times) * 1e6,
        "p99_us": times[int(len(times) * 0.99)] * 1e6,
        "max_us": times[-1] * 1e6,
    }


def busy(
    device_work: Callable[[], Any],
    log: Callable[[dict[str, Any], int], Any],
    wait: Callable[[], Any] = torch.cuda.synchronize,
) -> dict[str, float]:
    """A call's time while each step has queued work for the device; the values are results of that work."""
    times = []
    for step in range(STEPS):
        values = device_work()
        start = time.perf_counter()
        log(values, step)
        times.append(time.perf_counter() - start)
        # Else the queue of launches fills up, and whoever launches next waits for the device.
        wait()
    return quantiles(times)


def queued_work(size: int) -> Callable[[], dict[str, Any]]:
    """Some milliseconds of matrix products, of which ten scalars are taken."""
    a = torch.randn(size, size, device="cuda") / size**0.5

    def work() -> dict[str, Any]:
        b = a @ a @ a @ a
        return {key: b[i, i] for i, key in enumerate(KEYS)}

    return work


def training(log: Callable[[dict[str, Any], int], Any]) -> float:
    """Steps a second of a small network that logs its loss and nine more values each step."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10)).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x = torch.randn(512, 256, device="cuda")
    y = torch.randint(0, 10, (512,), device="cuda")

    def steps(count: int) -> None:
        for step in range(count):
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            log({key: loss.detach() for key in KEYS}, step)
        torch.cuda.synchronize()

    steps(200)
    start = time.perf_counter()
    steps(TRAIN_STEPS)
    return TRAIN_STEPS / (time.perf_counter() - start)


def item(values: dict[str, Any], _step: int) -> dict[str, float]:
    return {key: float(value) for key, value in values.items()}


def exact() -> dict[str, Any]:
    """Whether the journal has what was computed, although the loop wrote over each tensor at once."""
    run = pe.start_run("gpu-exact")
    value = torch.zeros((), device="cuda")
    side = torch.cuda.Stream()
    for step in range(2000):
        if step % 2:
            with torch.cuda.stream(side):
                mine = torch.full((), float(step), device="cuda")
                torch.cuda._sleep(20_000)
                mine.mul_(2)
                run.log({"side": mine}, step)
                mine.fill_(-1.0)
        value.fill_(float(step))
        run.log({"value": value, "half": value.to(torch.float16) / 2, "bf16": value.bfloat16()}, step)
        value.fill_(-1.0)
    run.end()
    kept = run.read_metrics().values
    return {
        "value": kept["value"] == [(step, float(step)) for step in range(2000)],
        "side": kept["side"] == [(step, 2.0 * step) for step in range(1, 2000, 2)],
        "half": len(kept["half"]) == 2000,
        "bf16": len(kept["bf16"]) == 2000,
        "lost": run.dropped + run.rejected + run.pending,
    }


def captured() -> dict[str, Any]:
    """Whether a CUDA graph can be captured while values logged before it are still being read."""
    run = pe.start_run("gpu-graph")
    x = torch.randn(1024, 1024, device="cuda")
    warm = torch.cuda.Stream()
    with torch.cuda.stream(warm):
        x @ x
    warm.synchronize()
    faults: list[str] = []
    for trial in range(50):
        for step in range(50):
            run.log({"loss": (x @ x).mean()}, trial * 50 + step)
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                for _ in range(20):
                    y = x @ x
                    time.sleep(0.002)
                if trial == 0:
                    run.log({"inside": y.mean()}, 0)
            graph.replay()
        except RuntimeError as error:
            faults.append(str(error).splitlines()[0])
    run.end()
    kept = run.read_metrics().values
    return {"faults": faults[:3], "count": len(faults), "points": {k: len(v) for k, v in kept.items()}}


def with_jax() -> dict[str, Any]:
    """The same for JAX, where results come asynchronously as well."""
    import jax
    import jax.numpy as jnp

    a = jnp.ones((4096, 4096)) / 4096

    @jax.jit
    def work(a: Any) -> Any:
        return (a @ a @ a @ a).diagonal()[:10]

    jax.block_until_ready(work(a))
    run = pe.start_run("gpu-jax")

    def values() -> dict[str, Any]:
        ten = work(a)
        return {key: ten[i] for i, key in enumerate(KEYS)}

    def wait() -> None:
        jax.block_until_ready(work(a))

    ours = busy(values, run.log, wait)
    run.end()
    peer = busy(values, item, wait)
    points = sum(len(series) for series in run.read_metrics().values.values())
    return {"device": str(jax.devices()[0]), "log": ours, "item": peer, "points": points}


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit(3)
    report: dict[str, Any] = {"device": torch.cuda.get_device_name(), "torch": torch.__version__}
    work = queued_work(4096)
    work()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(20):
        work()
    torch.cuda.synchronize()
    report["step_ms"] = (time.perf_counter() - start) / 20 * 1e3
    run = pe.start_run("gpu-busy")
    report["log"] = busy(work, run.log)
    report["item"] = busy(work, item)
    ten = dict.fromkeys(KEYS, 1.0)
    report["log_floats"] = busy(lambda: ten, run.log)
    run.end()
    report["points"] = sum(len(series) for series in run.read_metrics().values.values())
    rates = {"none": [], "ours": [], "item": []}
    run = pe.start_run("gpu-training")
    for _ in range(3):
        rates["none"].append(training(lambda values, step: None))
        rates["ours"].append(training(run.log))
        rates["item"].append(training(item))
    start = time.perf_counter()
    run.end()
    report["end_s"] = time.perf_counter() - start
    report["steps_per_s"] = {name: statistics.median(each) for name, each in rates.items()}
    report["training_lost"] = run.dropped + run.rejected + run.pending
    report["exact"] = exact()
    report["graphs"] = captured()
    try:
        report["jax"] = with_jax()
    except Exception as error:
        report["jax"] = f"{type(error).__name__}: {error}"
    print(json.dumps(report))


if __name__ == "__main__":
    main()
