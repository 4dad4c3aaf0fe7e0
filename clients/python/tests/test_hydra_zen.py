"""What hydra-zen gives for a config."""

import functools

import hydra_operators as ops
import pytest
from hydra_zen import builds, just, make_config, make_custom_builds_fn
from hydra_zen import instantiate as zen_instantiate
from omegaconf import OmegaConf

import pipekit_experiment as pe
from pipekit_experiment import errors
from pipekit_experiment._src.registry_operator import state_of
from pipekit_experiment.operators import Sequential

HydraConfigLoader = pe.adapters.hydra.HydraConfigLoader
TRUST = ["hydra_operators"]

Fixed = builds(ops.Fixed, populate_full_signature=True, hydra_convert="all")
Leaf = builds(ops.Leaf, x=[1, {"y": "${.z}", "z": 3}], hydra_convert="all")
Wrapped = builds(ops.Fixed, rate=0.5, zen_wrappers=ops.with_rate, hydra_convert="all")
Meta = builds(ops.Fixed, layers=["${..width}"], zen_meta={"width": 7}, hydra_convert="all")
CONFIGS = {
    "builds": Fixed,
    "an instance": Fixed(rate=0.75, layers=[1]),
    "nested": builds(Sequential, steps=[Fixed, Leaf], hydra_convert="all"),
    "deep": builds(ops.Nested, inside={"a": [Leaf, {"b": Fixed(rate=1.0)}]}, hydra_convert="all"),
    "positional": builds(ops.make, 1, [2], Leaf, hydra_convert="all"),
    "wrapped": Wrapped,
    "wrapped by a list": builds(ops.Fixed, zen_wrappers=[ops.with_rate, None], hydra_convert="all"),
    "wrapped by a node": builds(ops.Fixed, zen_wrappers=just(ops.with_rate), hydra_convert="all"),
    "meta": Meta,
    "partial inside": builds(
        ops.call, made=builds(ops.Leaf, y=1, zen_partial=True), x=2, hydra_convert="all"
    ),
    "just": builds(ops.call, made=just(ops.Leaf), x=2, hydra_convert="all"),
    "just a partial": builds(ops.call, made=just(functools.partial(ops.Leaf, y=1)), x=2, hydra_convert="all"),
    "inherited": builds(ops.Fixed, rate=2.0, builds_bases=(Fixed,), hydra_convert="all"),
    "make_config": make_config("layers", bases=(Fixed,))(layers=[4]),
    "make_config as data": {
        "_target_": "hydra_operators.Leaf",
        "_convert_": "all",
        "x": make_config(a=1, b=[2]),
    },
    "full": make_custom_builds_fn(populate_full_signature=True, hydra_convert="all")(ops.Fixed, rate=3.0),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_gives_what_hydra_zen_gives(name):
    expected = state_of(zen_instantiate(CONFIGS[name]))
    assert state_of(HydraConfigLoader.from_hydra_cfg(CONFIGS[name])) == expected
    assert state_of(HydraConfigLoader.from_hydra_cfg(CONFIGS[name], trust=TRUST)) == expected
    text = OmegaConf.to_yaml(OmegaConf.structured(CONFIGS[name]))
    assert state_of(HydraConfigLoader.from_yaml(text)) == expected
    assert state_of(HydraConfigLoader.from_yaml(text, trust=TRUST)) == expected


def test_a_node_of_an_app_config():
    app = make_config(rate=0.5, model=Fixed(rate="${rate}"))
    assert HydraConfigLoader.from_hydra_cfg(app, node="model").rate == 0.5
    assert HydraConfigLoader.from_hydra_cfg(OmegaConf.create(app).model).rate == 0.5
    with pytest.raises(errors.InvalidConfigError, match=r"no `_target_`.*node='model'"):
        HydraConfigLoader.from_hydra_cfg(app)


def test_an_operator_that_hydra_zen_made_goes_back_to_a_config():
    made = HydraConfigLoader.from_hydra_cfg(CONFIGS["nested"])
    assert state_of(HydraConfigLoader.from_yaml(HydraConfigLoader.to_yaml(made))) == state_of(made)


def test_a_value_that_must_be_given():
    with pytest.raises(errors.InvalidConfigError, match="`rate` is `???`".replace("?", r"\?")):
        HydraConfigLoader.from_hydra_cfg(Fixed(rate="???"))


def test_a_partial_and_a_class_are_no_operators():
    for config in (builds(ops.Leaf, zen_partial=True), builds(ops.Leaf, zen_partial=True, zen_meta={"a": 1})):
        with pytest.raises(TypeError, match=r"partial of hydra_operators\.Leaf, not an Operator"):
            HydraConfigLoader.from_hydra_cfg(config)
    with pytest.raises(TypeError, match="Operator"):
        HydraConfigLoader.from_hydra_cfg(just(ops.Leaf))
    with pytest.raises(TypeError, match=r"hydra_operators\.NoOperator, a class that is no Operator"):
        HydraConfigLoader.from_hydra_cfg(builds(ops.NoOperator, zen_meta={"a": 1}))


def test_a_name_in_zen_processing_that_leads_nowhere():
    with pytest.raises(errors.InvalidConfigError, match=r"`_zen_target` names hydra_operators\.No"):
        HydraConfigLoader.from_yaml(
            "_target_: hydra_zen.funcs.zen_processing\n_zen_target: hydra_operators.No"
        )
