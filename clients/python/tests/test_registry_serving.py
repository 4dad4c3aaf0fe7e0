"""The example of docs/serving.md, run as it stands there."""

import os
import re
import threading
from pathlib import Path

import pytest
from real_daemon import daemon_in, end
from registry_operators import Scale

from pipekit_experiment import LocalModelRegistry, connect

PAGE = Path(__file__).parents[3] / "docs/serving.md"
PATIENCE_S = 20


@pytest.fixture
def followed(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    namespace = {}
    exec(code, namespace)
    with daemon_in(tmp_path):
        registry = LocalModelRegistry(trust=["registry_operators"])

        class Told(namespace["FollowedModel"]):
            """Tells when something was put in place."""

            changed = threading.Condition()

            def __setattr__(self, name, value):
                with self.changed:
                    super().__setattr__(name, value)
                    self.changed.notify_all()

            def waits_for(self, condition):
                with self.changed:
                    assert self.changed.wait_for(condition, PATIENCE_S), self.problem

        made = Told(registry, "production")
        try:
            yield made, registry
        finally:
            made.close()
            end(connect().hello.pid)


def test_promotions_faults_and_a_killed_daemon(followed):
    model, registry = followed
    with pytest.raises(RuntimeError, match="No model is promoted yet"):
        model.predict(1.0)
    two, three, four = (registry.store(Scale("m", factor)) for factor in (2.0, 3.0, 4.0))
    registry.tag(two, "production")
    model.waits_for(lambda: model.served is not None)
    assert model.predict(1.0) == (2.0, two)

    held = model.served[1]
    registry.tag(three, "production", force=True)
    model.waits_for(lambda: model.served[0].hash == three)
    assert model.predict(1.0) == (3.0, three)
    assert held(1.0) == 2.0, "a request that took the old model ends with it"

    file = Path(connect().hello.state_folder, "models", four, "weights.bin")
    os.chmod(file, 0o600)
    file.write_bytes(b"9.5")
    registry.tag(four, "production", force=True)
    model.waits_for(lambda: "Move 3 cannot be served" in model.problem)
    assert model.predict(1.0) == (3.0, three)

    registry.delete_tag("production")
    model.waits_for(lambda: "deleted by" in model.problem)
    assert model.predict(1.0) == (3.0, three)

    end(connect().hello.pid)
    registry.tag(two, "production")
    model.waits_for(lambda: model.served[0].hash == two)
    assert (model.predict(1.0), model.served[0].seq, model.problem) == ((2.0, two), 5, "")


def test_under_load_no_request_fails_and_each_answer_fits_its_model(followed):
    model, registry = followed
    factors = {registry.store(Scale("m", factor)): factor for factor in (2.0, 3.0)}
    first, second = factors
    registry.tag(first, "production")
    model.waits_for(lambda: model.served is not None)
    stop = threading.Event()
    answers = []

    def ask():
        while not stop.wait(0.002):
            try:
                answers.append(model.predict(1.0))
            except Exception as error:
                answers.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for hash in (second, first) * 5:
        registry.tag(hash, "production", force=True)
        model.waits_for(lambda hash=hash: model.served[0].hash == hash)
    stop.set()
    for thread in threads:
        thread.join()
    assert [answer for answer in answers if not isinstance(answer, tuple)] == []
    assert all(value == factors[hash] for value, hash in answers)
