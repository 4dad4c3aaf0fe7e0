"""Hydra configs to operators: as Hydra itself reads them, and what is wrong with them before it does."""

import os

import hydra_operators as ops
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

import pipekit_experiment as pe
from pipekit_experiment import errors
from pipekit_experiment._src.registry_operator import state_of
from pipekit_experiment.operators import Sequential

HydraConfigLoader = pe.adapters.hydra.HydraConfigLoader


@pytest.fixture(autouse=True)
def no_calls():
    ops.calls.clear()


@pytest.fixture(autouse=True)
def resolvers(monkeypatch):
    monkeypatch.setenv("HYDRA_TEST_RATE", "0.25")
    OmegaConf.register_new_resolver("twice", lambda x: 2 * x, replace=True)
    OmegaConf.register_new_resolver("broken", lambda: 1 / 0, replace=True)
    yield
    OmegaConf.clear_resolver("twice")
    OmegaConf.clear_resolver("broken")


AS_HYDRA = {
    "values": "m: {_target_: hydra_operators.Leaf, a: 1, b: [1, {c: null}], d: {e: 1.5}, _convert_: all}",
    "_args_": "m: {_target_: hydra_operators.make, _args_: [1, [2]], a: {b: 3}, _convert_: all}",
    "interpolations": """
        rate: ${oc.env:HYDRA_TEST_RATE}
        n: 4
        key: n
        m:
          _target_: hydra_operators.Leaf
          _convert_: all
          a: ${rate}
          b: ${.c}
          c: ${..n}
          d: ${${key}}
          e: ${twice:${n}}
          f: "n=${n}"
          g: ${shared}
          h: ${oc.decode:${rate}}
          i: ${shared.list[1]}
        shared: {x: [1, 2], y: "${n}", list: [a, b]}""",
    "nested": """
        m:
          _target_: hydra_operators.Nested
          _convert_: all
          inside:
            - {_target_: hydra_operators.Leaf, x: {y: 1}}
            - {a: {_target_: hydra_operators.Fixed, layers: [1]}}""",
    "_recursive_": """
        m:
          _target_: hydra_operators.Leaf
          _recursive_: false
          _convert_: all
          inner: {_target_: no.such.thing, x: "???"}""",
    "a target from an interpolation": "t: hydra_operators\nm: {_target_: '${t}.Leaf', x: 1}",
    "a list by default": "m: {_target_: hydra_operators.Fixed, layers: [1, 2]}",
    "escapes": r"m: {_target_: hydra_operators.Leaf, x: 'a\\\${y}', y: 'c:\d', _convert_: all}",
    "a partial without what is missing": """
        m:
          _target_: hydra_operators.call
          _convert_: all
          made: {_target_: hydra_operators.Leaf, _partial_: true, x: "???", y: 1}
          x: 2""",
    "null": "m: {_target_: hydra_operators.Leaf, x: null, y: '${.x}'}",
}


@pytest.mark.parametrize("name", AS_HYDRA)
def test_a_config_gives_what_hydra_gives(name):
    config = OmegaConf.create(AS_HYDRA[name])
    expected = state_of(instantiate(config.m))
    assert state_of(HydraConfigLoader.from_hydra_cfg(config.m)) == expected
    assert state_of(HydraConfigLoader.from_hydra_cfg(config, node="m")) == expected
    assert state_of(HydraConfigLoader.from_yaml(AS_HYDRA[name], node="m")) == expected


@pytest.mark.parametrize("name", [name for name in AS_HYDRA if name not in ("escapes", "_recursive_")])
def test_a_config_that_is_trusted_by_name_gives_the_same(name):
    config = OmegaConf.create(AS_HYDRA[name])
    made = HydraConfigLoader.from_hydra_cfg(config.m, trust=["hydra_operators"])
    assert state_of(made) == state_of(instantiate(config.m))


def test_the_config_stays_as_it_is():
    config = OmegaConf.create(
        {"n": 4, "m": {"_target_": "hydra_operators.Leaf", "x": ["${n}", {"y": "${n}"}]}}
    )
    OmegaConf.set_readonly(config, True)
    OmegaConf.set_struct(config, True)
    before = OmegaConf.to_yaml(config)
    HydraConfigLoader.from_hydra_cfg(config.m)
    HydraConfigLoader.from_hydra_cfg(config.m, trust=["hydra_operators"])
    assert OmegaConf.to_yaml(config) == before


def test_dicts_with_classes_and_live_operators():
    operator = ops.Leaf(x=1)
    made = HydraConfigLoader.from_hydra_cfg(
        {"_target_": Sequential, "steps": [operator, {"_target_": ops.Fixed}]}
    )
    assert made.steps[0] is operator
    assert type(made.steps[1]) is ops.Fixed


def test_a_file(tmp_path, monkeypatch):
    (tmp_path / "m.yaml").write_text("_target_: hydra_operators.Leaf\nx: é\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "m.yaml", str(tmp_path / "m.yaml"), "m.yaml"):
        assert HydraConfigLoader.from_yaml(path).values == {"x": "é"}
    with pytest.raises(FileNotFoundError, match=r"nowhere\.yml"):
        HydraConfigLoader.from_yaml("nowhere.yml")


LEAF = "_target_: hydra_operators.Leaf"
FAULTS = {
    "{a: {_target_: hydra_operators.Leaf}}": ("_target_", "no `_target_`.*`?a`?.*node='a'"),
    "target: hydra_operators.Leaf": ("_target_", "It has `target`: was `_target_` meant"),
    "_traget_: hydra_operators.Leaf": ("_traget_", "`_target_` was meant"),
    f"{{{LEAF}, x: {{_targt_: a.B}}}}": ("x._targt_", "`_target_` was meant"),
    "_target_: no_such_module.Leaf": ("_target_", "no module no_such_module"),
    f"{{{LEAF}, x: [{{_target_: no_such_module.Leaf}}]}}": ("x[0]._target_", "no module no_such_module"),
    "_target_: hydra_operators.Laef": ("_target_", "there is no hydra_operators.Laef"),
    "_target_: hydra_operators.sub.Leaf": ("_target_", "there is no hydra_operators.sub"),
    "_target_: hydra_operators": ("_target_", "no dotted name"),
    "_target_: 7": ("_target_", "is 7, which is no dotted name"),
    "_target_: null": ("_target_", "is None, which is no dotted name"),
    "_target_: '???'": ("_target_", "`_target_` is `\\?\\?\\?`"),
    "_target_: hydra_operators.calls": ("_target_", "a list, which cannot be called"),
    f"{{{LEAF}, x: '???'}}": ("x", "`x` is `\\?\\?\\?`, which must be given"),
    f"{{{LEAF}, x: {{y: [1, '???']}}}}": ("x.y[1]", "must be given"),
    f"{{{LEAF}, x: '${{.y}}', y: {{z: '???'}}}}": ("x.z", "must be given"),
    f"{{{LEAF}, x: '${{nope.z}}'}}": ("x", r"`x` is '\$\{nope\.z\}'.*nope\.z"),
    f"{{{LEAF}, x: [{{y: '${{nope.z}}'}}]}}": ("x[0].y", r"nope\.z"),
    f"{{{LEAF}, x: '${{oc.env:NO_SUCH_VARIABLE}}'}}": ("x", "NO_SUCH_VARIABLE"),
    f"{{{LEAF}, x: '${{no_resolver:1}}'}}": ("x", "no_resolver"),
    f"{{{LEAF}, x: '${{broken:}}'}}": ("x", "division by zero"),
    f"{{{LEAF}, x: '${{y}}', y: '${{x}}'}}": ("x", "Recursive interpolation"),
    f"{{{LEAF}, x: {{y: '${{z}}'}}, z: {{w: '${{x}}'}}}}": ("x.y.w", "holds itself"),
    f"{{{LEAF}, x: '${{y'}}": ("x", "not what OmegaConf allows"),
    f"{{{LEAF}, _args_: abc}}": ("_args_", "`_args_` is 'abc', not a list"),
    f"{{{LEAF}, _args_: {{a: 1}}}}": ("_args_", "not a list"),
    f"{{{LEAF}, x: {{{LEAF}, _partial_: 1}}}}": ("x._partial_", "not true or false"),
    f"{{{LEAF}, _recursive_: sometimes}}": ("_recursive_", "not true or false"),
    f"{{{LEAF}, _convert_: some}}": ("_convert_", "none, partial, object or all"),
    "[1, 2]": ("config", "no mapping"),
    "7": ("config", "no mapping"),
    "": ("config", "no mapping"),
    f"{LEAF}\nx: [1": ("line 2", "Line 2"),
    f"{LEAF}\nx: 1\nx: 2": ("line 3", "duplicate key x"),
    f"{LEAF}\n---\n{LEAF}": ("line 2", "Line 2"),
    f"{LEAF}\nx: !!python/object/apply:os.system [ls]": ("line 2", "python/object"),
    f"{LEAF}\nx: &a [*a]": ("line 2", "holds itself"),
    f"{LEAF}\na0: &a0 [1,1]\n"
    + "\n".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)): (
        "config",
        "aliases of the config repeat more than 100000 values",
    ),
    "x\x00y": ("config", "no YAML"),
    "{a: " * 3000: ("config", "nested too deep"),
}


@pytest.mark.parametrize("text", FAULTS, ids=lambda text: text[:40])
def test_what_is_wrong_is_named_before_anything_is_called(text):
    field, said = FAULTS[text]
    with pytest.raises(errors.InvalidConfigError, match=f"(?s){said}") as caught:
        HydraConfigLoader.from_yaml(text)
    assert caught.value.field == field
    assert ops.calls == []


def test_the_path_begins_at_the_whole_config():
    config = OmegaConf.create({"train": {"model": {"_target_": "hydra_operators.Leaf", "x": {"y": "???"}}}})
    with pytest.raises(errors.InvalidConfigError, match=r"`train\.model\.x\.y`"):
        HydraConfigLoader.from_hydra_cfg(config.train.model)
    with pytest.raises(errors.InvalidConfigError, match=r"no mapping `train\.modle`"):
        HydraConfigLoader.from_hydra_cfg(config, node="train.modle")


def test_a_billion_values_by_interpolations():
    config = {"_target_": "hydra_operators.Leaf", "a0": [1] * 100}
    for n in range(1, 6):
        config[f"a{n}"] = [f"${{a{n - 1}}}"] * 100
    with pytest.raises(errors.InvalidConfigError, match="repeat more than 100000 values"):
        HydraConfigLoader.from_hydra_cfg(config)


def test_a_dict_that_holds_itself():
    config = {"_target_": "hydra_operators.Leaf", "x": [{}]}
    config["x"][0]["y"] = config["x"]
    with pytest.raises(errors.InvalidConfigError, match=r"`x\[0\]\.y` holds itself"):
        HydraConfigLoader.from_hydra_cfg(config)


@pytest.mark.parametrize(
    "config", [None, 7, [1], "a: 1", Sequential([])], ids=lambda config: type(config).__name__
)
def test_what_is_no_config(config):
    with pytest.raises(errors.InvalidConfigError, match="not a mapping"):
        HydraConfigLoader.from_hydra_cfg(config)


NO_OPERATORS = {
    "{_target_: hydra_operators.NoOperator}": r"hydra_operators\.NoOperator, a class that is no Operator",
    "{_target_: hydra_operators.Leaf, _partial_: true}": r"partial of hydra_operators\.Leaf, not an Operator",
}


@pytest.mark.parametrize("text", NO_OPERATORS)
def test_what_is_plainly_no_operator_is_not_called(text):
    with pytest.raises(TypeError, match=NO_OPERATORS[text]):
        HydraConfigLoader.from_yaml(text)
    assert ops.calls == []


def test_a_factory_that_gives_no_operator_is_named():
    with pytest.raises(
        errors.NotAnOperatorError, match=r"hydra_operators\.make_nothing, which gives no Operator"
    ):
        HydraConfigLoader.from_yaml("_target_: hydra_operators.make_nothing")


def test_what_a_target_raises_is_told():
    with pytest.raises(errors.InvalidConfigError, match=r"Fixed.*'nothing'") as caught:
        HydraConfigLoader.from_yaml(
            "{_target_: hydra_operators.Nested, inside: {a: {_target_: hydra_operators.Fixed, nothing: 1}}}"
        )
    assert caught.value.field == "inside.a"
    assert isinstance(caught.value.__cause__.__cause__, TypeError)


def test_a_failure_of_ours_comes_as_it_is():
    with pytest.raises(errors.NotAnOperatorError, match="steps/0"):
        HydraConfigLoader.from_yaml("{_target_: pipekit_experiment.operators.Sequential, steps: [1]}")


def test_a_module_that_lacks_another_says_which(tmp_path, monkeypatch):
    (tmp_path / "lacks_another.py").write_text("import no_such_module_either\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="no_such_module_either"):
        HydraConfigLoader.from_yaml("_target_: lacks_another.Thing")


def test_an_environment_variable_is_read_as_text():
    made = HydraConfigLoader.from_yaml("{_target_: hydra_operators.Leaf, x: '${oc.env:HYDRA_TEST_RATE}'}")
    assert made.values == {"x": os.environ["HYDRA_TEST_RATE"]}
