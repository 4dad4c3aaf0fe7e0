"""Operators to Hydra configs and back, by Hydra itself."""

import json
import subprocess
import sys
from pathlib import Path

import hydra_operators as ops
import pytest
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

import pipekit_experiment as pe
from pipekit_experiment import errors
from pipekit_experiment._src.registry_operator import state_of
from pipekit_experiment.operators import BytesModelOp, Graph, Sequential

HydraConfigLoader = pe.adapters.hydra.HydraConfigLoader
OURS = "pipekit_experiment.adapters.hydra"

TRAPS = st.sampled_from(
    [
        "${x}", "a ${b} c", "\\${x}", "\\\\${x}", "${", "$", "???", " ???", "${oc.env:HOME}", "${now:%Y}",
        "\x85", "\u2028", "\ufeff", "\x7f", "é😀", "yes", "null", "~", "1e3", "1_000", "0x1f", "1:30",
        "2020-01-01", "", " ", "a\nb", "a: b", "# x", "- x", "'", '"', "_target_", "&a", "*a", ".nan",
        "!!python/name:os.system",
    ]
)  # fmt: skip
TEXTS = st.one_of(TRAPS, st.text(max_size=6))
KEYS = st.one_of(
    st.sampled_from(
        [
            "_target_", "_args_", "_partial_", "_recursive_", "_convert_", "_traget_", "module",
            "class", "config", "", "a.b", "[0]", "${x}", "???", "<<", "=", "yes", "1", "self",
            "hydra", "keys", "items", "\x85",
        ]
    ),
    st.text(max_size=4),
)  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["_target_", "_convert_", "_traget_", "${x}", "???", "yes", "1", "a.b", "é", "nodes"])


def chain(nodes):
    """A graph in which each node feeds the next."""
    names = ["input", *nodes]
    edges = {name: [before] for before, name in zip(names, nodes, strict=False)}
    return Graph(nodes, edges, outputs=names[-1])


LEAVES = st.one_of(
    st.dictionaries(KEYS.filter(lambda key: key != "self"), JSON, max_size=3).map(
        lambda values: ops.Leaf(**values)
    ),
    st.builds(ops.Fixed, st.floats(0, 1), st.lists(JSON, max_size=2), JSON),
    st.dictionaries(KEYS, JSON, max_size=3).map(ops.Positional),
    st.builds(BytesModelOp, weights_format=TEXTS, config=st.dictionaries(KEYS, JSON, max_size=2)),
)
OPERATORS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(Sequential),
        st.lists(inner | JSON, max_size=3).map(ops.Nested),
        st.dictionaries(KEYS, inner | JSON, max_size=3).map(ops.Nested),
        st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(chain),
        inner.map(lambda operator: ops.TakesState(json.loads(json.dumps(state_of(operator))))),
    ),
    max_leaves=6,
)


def same(operator):
    """A text that tells 1 from 1.0 and True, and -0.0 from 0.0; equal for equal states."""
    return json.dumps(state_of(operator), sort_keys=True)


@settings(max_examples=150, deadline=None)
@given(OPERATORS)
def test_every_operator_comes_back(operator):
    config = HydraConfigLoader.to_hydra_cfg(operator)
    assert same(HydraConfigLoader.from_hydra_cfg(config)) == same(operator)
    assert same(instantiate(config)) == same(operator), (
        "it is a config of Hydra's, with no need of this loader"
    )
    text = HydraConfigLoader.to_yaml(operator)
    back = HydraConfigLoader.from_yaml(text)
    assert same(back) == same(operator)
    assert HydraConfigLoader.to_yaml(back) == text


@settings(max_examples=60, deadline=None)
@given(OPERATORS)
def test_every_operator_comes_back_for_those_who_trust_it(operator):
    text = HydraConfigLoader.to_yaml(operator)
    back = HydraConfigLoader.from_yaml(text, trust=["hydra_operators"])
    assert same(back) == same(operator)


def test_a_config_is_readable():
    operator = Sequential([ops.Fixed(0.5, ["a"], {"b": 1}), ops.Nested({"deep": [ops.Leaf(x="${y}")]})])
    assert HydraConfigLoader.to_yaml(operator) == (
        "_target_: pipekit_experiment.operators.Sequential\n"
        "_convert_: all\n"
        "steps:\n"
        "- _target_: hydra_operators.Fixed\n"
        "  _convert_: all\n"
        "  rate: 0.5\n"
        "  layers:\n"
        "  - a\n"
        "  options:\n"
        "    b: 1\n"
        "- _target_: hydra_operators.Nested\n"
        "  _convert_: all\n"
        "  inside:\n"
        "    deep:\n"
        "    - _target_: hydra_operators.Leaf\n"
        "      _convert_: all\n"
        "      x:\n"
        f"        _target_: {OURS}.from_json\n"
        "        text: '\"\\u0024{y}\"'\n"
    )


def test_a_graph_comes_back():
    graph = Graph(
        {"encoder": ops.Leaf(width=3), "head": Sequential([ops.Fixed()])},
        {"encoder": ["x"], "head": ["encoder"]},
        inputs=["x"],
        outputs="head",
    )
    config = HydraConfigLoader.to_hydra_cfg(graph)
    assert config.nodes.encoder._target_ == "hydra_operators.Leaf"
    assert same(HydraConfigLoader.from_yaml(OmegaConf.to_yaml(config))) == same(graph)


def test_what_only_from_state_can_rebuild_is_kept_as_its_state():
    config = HydraConfigLoader.to_hydra_cfg(ops.Positional({"a": {"_target_": "x"}}))
    assert config._target_ == f"{OURS}.from_state"
    assert config.state.version == 3
    assert HydraConfigLoader.from_hydra_cfg(config).config == {"a": {"_target_": "x"}}


def test_a_node_can_be_taken_out_and_used_alone():
    config = HydraConfigLoader.to_hydra_cfg(Sequential([ops.Fixed(layers=[1, {"a": 2}])]))
    alone = instantiate(config.steps[0])
    assert type(alone.layers) is list
    assert same(alone) == same(ops.Fixed(layers=[1, {"a": 2}]))


def test_a_value_that_is_not_json_is_named_with_its_path():
    operator = Sequential([ops.Leaf(a={"b": [0, {1, 2}]})])
    with pytest.raises(
        errors.InvalidConfigError, match=r"`config.steps\[0\].config.a.b\[1\]` is a set"
    ) as caught:
        HydraConfigLoader.to_hydra_cfg(operator)
    assert caught.value.field == "config.steps[0].config.a.b[1]"
    for value in (float("nan"), b"x", 2**60, object()):
        with pytest.raises(errors.InvalidConfigError, match=r"`config\.a`"):
            HydraConfigLoader.to_hydra_cfg(ops.Leaf(a=value))


def test_what_is_no_operator_cannot_be_written():
    for value in (ops.NoOperator(), ops.Leaf, 7, None):
        with pytest.raises(TypeError, match="Operator"):
            HydraConfigLoader.to_hydra_cfg(value)


def test_an_operator_that_holds_itself_cannot_be_written():
    cyclic = ops.Nested([])
    cyclic.inside.append(cyclic)
    with pytest.raises(errors.InvalidConfigError, match="holds itself"):
        HydraConfigLoader.to_hydra_cfg(cyclic)


def test_an_operator_that_comes_back_as_another_is_refused():
    with pytest.raises(errors.NotAnOperatorError, match=r"hydra_operators.Drifting.from_state"):
        HydraConfigLoader.to_hydra_cfg(ops.Drifting())


def run(program):
    source = Path(pe.__file__).parents[1]
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(source)!r})\n{program}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_module_is_imported_without_hydra_and_says_what_is_missing():
    said = run(
        "import pipekit_experiment as pe\n"
        "loader = pe.adapters.hydra.HydraConfigLoader\n"
        "heavy = ('hydra', 'omegaconf', 'yaml', 'grpc')\n"
        "print([name for name in sys.modules if name.partition('.')[0] in heavy])\n"
        "sys.modules['hydra'] = sys.modules['omegaconf'] = sys.modules['hydra_zen'] = None\n"
        "from pipekit_experiment.operators import Operator\n"
        "for call in (lambda: loader.from_hydra_cfg({}), lambda: loader.to_hydra_cfg(Operator()),\n"
        "             lambda: loader.from_yaml('a: 1'), lambda: loader.to_yaml(Operator()),\n"
        "             lambda: loader.log_run(None)):\n"
        "    try:\n        call()\n"
        "    except ImportError as error:\n        print(error)\n"
    ).splitlines()
    assert said[0] == "[]"
    assert len(said) == 6
    for line in said[1:]:
        assert "hydra-core" in line
        assert "pip install 'pipekit-experiment[hydra]'" in line


def test_a_config_of_hydra_zen_without_hydra_zen_says_what_is_missing():
    said = run(
        "import pipekit_experiment as pe\n"
        "sys.modules['hydra_zen'] = None\n"
        "try:\n"
        "    loader = pe.adapters.hydra.HydraConfigLoader\n"
        "    loader.from_yaml('_target_: hydra_zen.funcs.zen_processing\\n_zen_target: a.B')\n"
        "except ImportError as error:\n    print(error)\n"
    )
    assert "hydra-zen is not installed" in said
    assert "pip install 'pipekit-experiment[hydra]'" in said
