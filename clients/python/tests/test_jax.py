import os
import subprocess
import sys
import threading
import warnings

import pytest

import pipekit_experiment as pe
from pipekit_experiment import errors

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from pipekit_experiment.jax import log_from_jit, log_stacked  # noqa: E402


@jax.jit
def slow(x):
    """A second of one core."""
    return jax.lax.fori_loop(0, 800, lambda i, a: jnp.sin(a @ a.T) / 10, x).mean()


@pytest.fixture(scope="module")
def x():
    x = jnp.ones((300, 300))
    slow(x).block_until_ready()
    return x


class Blocking:
    """An array of one number whose value comes when `there` is set."""

    shape = ()
    dtype = np.dtype("float32")

    def __init__(self):
        self.there = threading.Event()
        self.asked = threading.Event()

    def __float__(self):
        self.asked.set()
        assert self.there.wait(20)
        return 0.25


def test_log_returns_before_the_value_is_there(daemon):
    with pe.start_run() as run:
        value = Blocking()
        run.log({"a": value}, 0)
        for step in range(1, 1000):
            run.log({"a": float(step)}, step)
        assert value.asked.wait(10), "the flusher waits for it"
        run.log({"a": 1000.0}, 1000)
        assert not value.there.is_set()
        value.there.set()
    assert daemon.points(run.run_id)["a"] == [(0, 0.25), *((step, float(step)) for step in range(1, 1001))]


def test_log_returns_while_jax_computes(daemon, x):
    with pe.start_run() as run:
        loss = slow(x)
        run.log({"loss": loss, "twice": loss * 2}, 7)
        assert not loss.is_ready()
    assert daemon.points(run.run_id) == {"loss": [(7, float(loss))], "twice": [(7, float(loss) * 2)]}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "int32", "uint8", "bool"])
def test_values_arrive_exactly(daemon, dtype):
    number = jnp.asarray(0.1 if "float" in dtype else 3, dtype)
    with pe.start_run() as run:
        run.log({"a": number, "b": number[None]}, 0)
        jax.jit(lambda a: log_from_jit(run, {"a": a, "b": a[None]}, 1))(number)
        log_stacked(run, {"a": number[None], "b": number[None]}, 2)
    exact = float(np.asarray(number).astype("float64"))
    assert daemon.points(run.run_id) == {key: [(step, exact) for step in range(3)] for key in "ab"}


def test_a_jitted_loop_logs_its_steps(daemon):
    @jax.jit
    def train(w):
        def body(w, step):
            loss, gradient = jax.value_and_grad(lambda w: (w - 3.0) ** 2)(w)
            log_from_jit(run, {"loss": loss, "lr": 0.1, "half": jnp.float32(0.5)}, step)
            return w - 0.1 * gradient, loss

        return jax.lax.scan(body, w, jnp.arange(200))

    with pe.start_run() as run:
        _, losses = train(0.0)
    points = daemon.points(run.run_id)
    assert points["loss"] == [(step, float(loss)) for step, loss in enumerate(losses)]
    assert points["lr"] == [(step, 0.1) for step in range(200)], "what is not traced keeps its 64 bits"
    assert points["half"][0] == (0, 0.5)


@pytest.mark.parametrize("named", [False, True])
def test_the_end_waits_for_what_is_under_way(daemon, x, named):
    @jax.jit
    def step(value):
        log_from_jit((lambda: run) if named else run, {"loss": value}, 5)
        return value

    with pe.start_run() as run:
        step.lower(1.0)
        loss = slow(x)
        step(loss)
        assert not loss.is_ready()
    assert daemon.points(run.run_id) == {"loss": [(5, float(loss))]}
    assert daemon.records(run.run_id, "end")[0].state == 2


@pytest.mark.parametrize("ordered", [False, True])
def test_inside_of_grad_cond_and_while(daemon, ordered):
    def loss(w, step):
        value = (w * w).sum()
        log_from_jit(run, {"inner": value}, step, ordered=ordered)
        return value

    @jax.jit
    def train(w):
        def body(carry):
            step, w = carry
            w = w - 0.1 * jax.grad(loss)(w, step)
            jax.lax.cond(
                step % 2 == 0,
                lambda: log_from_jit(run, {"even": w[0]}, step, ordered=ordered),
                lambda: None,
            )
            return step + 1, w

        return jax.lax.while_loop(lambda carry: carry[0] < 6, body, (0, w))

    with pe.start_run() as run:
        train(jnp.ones(2))
    points = daemon.points(run.run_id)
    assert [step for step, _ in points["inner"]] == list(range(6))
    assert points["inner"][0] == (0, 2.0)
    assert [step for step, _ in points["even"]] == [0, 2, 4]


def test_vmap_logs_a_row_for_each_element(daemon):
    with pe.start_run() as run:
        jax.vmap(lambda a, i: log_from_jit(run, {"a": a}, i))(jnp.arange(4.0), jnp.arange(4))
        jax.jit(jax.vmap(lambda a: log_from_jit(run, {"b": a})))(jnp.arange(4.0))
        with pytest.raises(ValueError, match="vmap"):
            jax.vmap(lambda a: log_from_jit(run, {"a": a}, 0, ordered=True))(jnp.arange(4.0))
    points = daemon.points(run.run_id)
    assert sorted(points["a"]) == [(i, float(i)) for i in range(4)]
    assert sorted(value for _, value in points["b"]) == [0, 1, 2, 3]


def test_each_device_of_a_pmap_logs(daemon):
    program = """
import jax, jax.numpy as jnp, pipekit_experiment as pe
from pipekit_experiment.jax import log_from_jit
assert jax.device_count() == 2
def step(x):
    log_from_jit(run, {"x": x, "device": jax.lax.axis_index("d")}, 3)
    return x * 2
with pe.start_run() as run:
    jax.block_until_ready(jax.pmap(step, axis_name="d")(jnp.arange(2.0)))
"""
    env = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    (run_id,) = {frame.run_id for frame in daemon.frames}
    rows = [(step, values) for step, _, values in daemon.rows(run_id)]
    assert sorted((step, values["device"], values["x"]) for step, values in rows) == [(3, 0, 0), (3, 1, 1)]


def test_a_failure_while_logging_does_not_reach_the_computation(daemon):
    @jax.jit
    def step(a):
        log_from_jit(run, {"a": a}, 0)
        return a + 1

    with pe.start_run() as run:
        step(1.0)
    with pytest.warns(RuntimeWarning, match="not logged: .*has ended"):
        jax.block_until_ready((out := step(5.0), jax.effects_barrier())[0])
    assert float(out) == 6
    assert daemon.points(run.run_id) == {"a": [(0, 1.0)]}


def test_a_function_gives_the_run_of_the_day(daemon):
    @jax.jit
    def step(a):
        log_from_jit(lambda: run, {"a": a})
        return a

    ids = []
    for value in (1.0, 2.0):
        with pe.start_run() as run:
            step(value)
            step(value)
        ids.append(run.run_id)
    assert [daemon.points(run_id)["a"] for run_id in ids] == [[(0, 1), (1, 1)], [(0, 2), (1, 2)]]


@pytest.mark.parametrize(
    ("metrics", "step", "fault"),
    [
        ({"a": jnp.ones(3)}, 0, r'"a" is an array of shape \(3,\)'),
        ({"a": jnp.ones((), "complex64")}, 0, "complex64"),
        ({"a": jax.random.key(0)}, 0, "no real number"),
        ({"": jnp.ones(())}, 0, "empty"),
        ({"a": "text"}, 0, "no number"),
        ([1.0], 0, "not a mapping"),
        ({"a": 1.0}, jnp.ones(()), "step"),
        ({"a": 1.0}, jnp.arange(2), "step"),
        ({"a": 1.0}, 2**60, "2\\^53"),
    ],
)
def test_what_cannot_be_logged_is_told_while_tracing(daemon, metrics, step, fault):
    with pe.start_run() as run, pytest.raises(errors.InvalidMetricError, match=fault):
        jax.jit(lambda: log_from_jit(run, metrics, step))()
    assert not daemon.points(run.run_id)


def test_what_a_scan_has_stacked(daemon, x):
    with pe.start_run() as run:
        run.log({"b": 0.0}, 9)
        pending = slow(x) + jnp.arange(1000)
        log_stacked(run, {"loss": pending, "acc": np.arange(1000)})
        assert not pending.is_ready(), "nothing is waited for"
        log_stacked(run, {"c": jnp.arange(3) * 2}, steps=jnp.asarray([5, 7, 9]))
        log_stacked(run, {"d": [1, 2.5]}, steps=100)
        log_stacked(run, {"none": jnp.ones(0)})
        log_stacked(run, {})
        run.log({"b": 1.0})
    points = daemon.points(run.run_id)
    assert points["loss"] == [(10 + i, float(value)) for i, value in enumerate(pending)]
    assert points["acc"] == [(10 + i, float(i)) for i in range(1000)]
    assert points["c"] == [(5, 0), (7, 2), (9, 4)]
    assert points["d"] == [(100, 1), (101, 2.5)]
    assert points["b"] == [(9, 0), (102, 1)]
    assert run.metrics["loss"] == float(pending[-1])


@pytest.mark.parametrize(
    ("metrics", "steps", "fault"),
    [
        ({"a": jnp.ones(3), "b": jnp.ones(2)}, None, '"b" has 2 values and "a" has 3'),
        ({"a": jnp.ones((3, 2))}, None, r"\(3, 2\)"),
        ({"a": 1.0}, None, r"shape \(\)"),
        ({"a": jnp.ones(3, "complex64")}, None, "complex64"),
        ({"a": ["x"]}, None, "no real number"),
        ({"a": jnp.ones(3)}, [1, 2], "not 3 integers"),
        ({"a": jnp.ones(3)}, [1.0, 2.0, 3.0], "not 3 integers"),
        ({"a": jnp.ones(3)}, 2**53 - 2, "2\\^53"),
    ],
)
def test_stacks_that_cannot_be_logged_are_told(daemon, metrics, steps, fault):
    with pe.start_run() as run, pytest.raises(errors.InvalidMetricError, match=fault):
        log_stacked(run, metrics, steps)
    assert not daemon.points(run.run_id)


def test_an_array_that_was_donated_costs_only_itself(daemon):
    consume = jax.jit(lambda a: a + 1, donate_argnums=0)
    with warnings.catch_warnings(record=True) as caught, pe.start_run() as run:
        warnings.simplefilter("always")
        gate = Blocking()
        run.log({"gate": gate}, 0)
        donated = jnp.ones(())
        run.log({"a": donated, "b": 1.0}, 1)
        consume(donated)
        gate.there.set()
    assert daemon.points(run.run_id) == {"gate": [(0, 0.25)], "b": [(1, 1.0)]}
    assert run.dropped == 1
    assert any("could not be read" in str(warning.message) for warning in caught)


def test_without_jax_the_extra_is_named():
    program = (
        "import sys; sys.modules['jax'] = None\n"
        "try:\n    import pipekit_experiment.jax\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "pip install 'pipekit-experiment[jax]'" in done.stdout
