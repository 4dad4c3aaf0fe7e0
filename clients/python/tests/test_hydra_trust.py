"""Configs that came from elsewhere: nothing is imported or called but what the caller trusts by name."""

import sys

import hydra_operators as ops
import pytest
from omegaconf import OmegaConf

import pipekit_experiment as pe
from pipekit_experiment import errors
from pipekit_experiment.operators import Sequential

HydraConfigLoader = pe.adapters.hydra.HydraConfigLoader
TRUST = ["hydra_operators"]
LEAF = "_target_: hydra_operators.Leaf"
OURS = "_target_: pipekit_experiment.adapters.hydra"
GET = "_target_: hydra_zen.funcs.get_obj"
WRAP = "_target_: hydra_zen.funcs.zen_processing, _zen_target: hydra_operators.Leaf, _zen_wrappers"
RUN = "{_target_: os.system, _args_: [touch FILE]}"
NESTED = "module: hydra_operators, class: Nested, config"
STATE = f"{{{NESTED}: {{inside: [{{module: os, class: system, config: {{}}}}]}}}}"
JSON_NAME = f"{{{OURS}.from_json, text: '\"os.system\"'}}"
JSON_STATE = """'{"module": "os", "class": "system", "config": {}}'"""
NAMED = "_target_: pipekit_experiment._src.registry_trust.named_object"

REFUSED = [
    (RUN, "`_target_` would run code of os.system"),
    (f"{{{LEAF}, x: [{RUN}]}}", r"`x\[0\]._target_` would run code of os.system"),
    (f"{{{LEAF}, x: {{_target_: os.system, _args_: [touch FILE], _partial_: true}}}}", "os.system"),
    (f"{{{LEAF}, _recursive_: false, x: {RUN}}}", "os.system"),
    (f"{{{LEAF}, y: os, x: {{_target_: '${{y}}.system', _args_: [touch FILE]}}}}", "os.system"),
    (f"{{{LEAF}, y: {RUN}, x: '${{y}}'}}", "os.system"),
    (f"{{{LEAF}, x: {{_target_: hydra_operators.os.system, _args_: [touch FILE]}}}}", "code of posix"),
    (f"{{{LEAF}, x: {{_target_: hydra_operators.make.__globals__.get, _args_: [os]}}}}", "builtin"),
    (f"{{{LEAF}, x: {{_target_: subprocess.Popen, _args_: [[touch, FILE]]}}}}", "subprocess"),
    (f"{{{LEAF}, x: {{_target_: builtins.eval, _args_: ['1']}}}}", "builtins"),
    (f"{{{LEAF}, x: {{_target_: hydra.utils.get_method, path: os.system}}}}", "hydra.utils.get_method"),
    (f"{{{LEAF}, x: {{{GET}, path: os.system}}}}", r"`x\.path` would run code of os\.system"),
    (f"{{{LEAF}, x: {{{GET}, path: hydra_operators.os.system}}}}", "code of posix"),
    (f"{{{LEAF}, x: {{{GET}, path: {JSON_NAME}}}}}", "no dotted name"),
    (f"{{{LEAF}, x: {{{GET}, path: pipekit_experiment.torch.TorchModelOp}}}}", "arguments that came"),
    (f"{{{WRAP}: os.system}}", "_zen_wrappers` would run code of os.system"),
    (f"{{{WRAP}: [null, os.system]}}", "_zen_wrappers` would run code of os.system"),
    (f"{{{WRAP}: {{{GET}, path: os.system}}}}", r"_zen_wrappers\.path"),
    (f"{{{WRAP}: {JSON_NAME}}}", "more than names"),
    (f"{{{WRAP}: [], _args_: [{RUN}]}}", "os.system"),
    (
        "{_target_: hydra_zen.funcs.zen_processing, _zen_target: os.system}",
        "`_zen_target` would run code of os",
    ),
    (f"{{_target_: hydra_zen.funcs.zen_processing, _zen_target: {GET[10:]}}}", "hydra_zen.funcs.get_obj"),
    (f"{{{LEAF}, x: {{{NAMED}, module: os, name: system}}}}", "arguments that came with the config"),
    (f"{{{LEAF}, x: {{_target_: pipekit_experiment.operators.Sequential.from_state}}}}", "arguments that"),
    (f"{{{LEAF}, x: {{_target_: hydra_operators.Sequential.from_state}}}}", "arguments that"),
    (f"{{{OURS}.from_state, state: {STATE}}}", "code of the module os"),
    (f"{{{OURS}.from_state, _args_: [{STATE}]}}", "not the state of an operator"),
    (f"{{{OURS}.from_state, state: {{_target_: hydra_operators.make_nothing}}}}", "not the state"),
    (f"{{{OURS}.from_state, state: {{{OURS}.from_json, text: {JSON_STATE}}}}}", "code of the module os"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=[text[:60] for text, _ in REFUSED])
def test_what_is_not_trusted_is_refused_before_anything_is_called(text, said, tmp_path):
    ops.calls.clear()
    with pytest.raises(errors.UntrustedModuleError, match=said):
        HydraConfigLoader.from_yaml(text.replace("FILE", str(tmp_path / "made")), trust=TRUST)
    assert ops.calls == []
    assert not (tmp_path / "made").exists()


def test_a_module_that_imports_by_a_name_is_trusted_by_no_list():
    for target in ("hydra.utils.get_method", "hydra.utils.instantiate", "hydra_zen.hydrated_dataclass"):
        with pytest.raises(errors.PipekitError, match="may import by a name"):
            HydraConfigLoader.from_yaml(
                f"{{{LEAF}, x: {{_target_: {target}, path: os.system}}}}",
                trust=["hydra", "hydra_zen", *TRUST],
            )


@pytest.mark.parametrize("module", ["hydra_operators", "pipekit_experiment.torch"])
@pytest.mark.parametrize("how", ["_target_: {}", "_target_: hydra_zen.funcs.zen_processing, _zen_target: {}"])
def test_an_operator_of_ours_gets_no_factory_that_is_not_trusted(module, how):
    target = how.format(f"{module}.TorchModelOp")
    for text in (
        f"{{{target}, factory: 'os:system', kwargs: {{command: 'true'}}}}",
        f"{{_target_: pipekit_experiment.operators.Sequential, steps: [{{{target}, factory: 'os:system'}}]}}",
    ):
        with pytest.raises(errors.UntrustedModuleError, match="os"):
            HydraConfigLoader.from_yaml(text, trust=TRUST)
        assert HydraConfigLoader.from_yaml(text) is not None, "as a config of one's own"
    made = HydraConfigLoader.from_yaml(f"{{{target}, factory: 'hydra_operators:make'}}", trust=TRUST)
    assert made.factory == "hydra_operators:make"


def test_a_partial_of_ours_is_held_to_it_when_it_is_called_later():
    text = (
        "{_target_: hydra_operators.call, x: 1, made: "
        "{_target_: pipekit_experiment.torch.TorchModelOp, factory: 'os:system', _partial_: true}}"
    )
    with pytest.raises(Exception, match=r"unexpected keyword argument 'x'|not trusted"):
        HydraConfigLoader.from_yaml(text, trust=TRUST)
    later = "{_target_: hydra_operators.keep, value: " + text.partition("made: ")[2]
    kept = HydraConfigLoader.from_yaml(later, trust=TRUST)
    with pytest.raises(errors.UntrustedModuleError, match="os"):
        kept.value()


def test_a_reference_to_a_model_trusts_what_the_caller_does():
    text = "{_target_: pipekit_experiment.operators.ModelRef, ref: production, trust: [os]}"
    assert HydraConfigLoader.from_yaml(text)._trust == ("os",), "as a config of one's own"
    held = HydraConfigLoader.from_yaml(text, trust=TRUST)
    assert "os" not in held._trust
    assert "hydra_operators" in held._trust


def test_nothing_is_imported_for_a_name_that_is_not_trusted(tmp_path, monkeypatch):
    (tmp_path / "imported_for_nothing.py").write_text("print('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(errors.UntrustedModuleError, match="imported_for_nothing"):
        HydraConfigLoader.from_yaml("_target_: imported_for_nothing.Thing", trust=["no_such_module"])
    assert "imported_for_nothing" not in sys.modules
    with pytest.raises(errors.InvalidConfigError, match=r"no imported_for_nothing\.Thing"):
        HydraConfigLoader.from_yaml("_target_: imported_for_nothing.Thing")


def test_what_is_called_is_what_was_looked_at():
    asked = []
    after = 0
    OmegaConf.register_new_resolver(
        "changing", lambda: asked.append(0) or ("os.getcwd" if len(asked) > after else "hydra_operators.Leaf")
    )
    try:
        for after in range(10):
            asked.clear()
            try:
                made = HydraConfigLoader.from_yaml("_target_: '${changing:}'", trust=TRUST)
            except errors.UntrustedModuleError:
                continue
            assert type(made) is ops.Leaf
            assert len(asked) <= after, "the resolver is not asked again after the look"
    finally:
        OmegaConf.clear_resolver("changing")


def test_a_text_that_would_be_resolved_once_more_is_refused():
    with pytest.raises(errors.InvalidConfigError, match=r"`x.y` holds an escaped interpolation"):
        HydraConfigLoader.from_yaml(rf"{{{LEAF}, x: {{y: 'a\${{z}}'}}, z: 1}}", trust=TRUST)


def test_trust_is_a_list_of_names():
    with pytest.raises(TypeError, match="trust is a str"):
        HydraConfigLoader.from_yaml(LEAF, trust="hydra_operators")
    with pytest.raises(errors.UntrustedModuleError, match=r'trust=\["hydra_operators"\]'):
        HydraConfigLoader.from_yaml(LEAF, trust=[])
    assert (
        HydraConfigLoader.from_yaml("_target_: pipekit_experiment.operators.Operator", trust=[]) is not None
    )
    made = HydraConfigLoader.from_yaml(
        "{_target_: pipekit_experiment.operators.Sequential, steps: []}", trust=()
    )
    assert type(made) is Sequential
