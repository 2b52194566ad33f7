"""Every layer of the zoo: its configuration is its constructor's arguments."""

import importlib
import json
import pkgutil
from pathlib import Path

import keras
import pytest

import s2s_zoo
from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.parts import describe, parameters

TESTS = Path(__file__).parents[1]


def subclasses(cls):
    for subclass in cls.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def is_base(cls):
    """Whether a class is there to derive layers from, and is none itself."""
    registered = keras.saving.get_registered_name(cls) != cls.__name__
    return not registered and bool(cls.__subclasses__())


def layers():
    """Layers of every module of the package."""
    home = str(Path(s2s_zoo.__file__).parent)
    for module in pkgutil.walk_packages([home], "s2s_zoo."):
        importlib.import_module(module.name)
    found = {c for c in subclasses(ZooLayer) if c.__module__.startswith("s2s_zoo.")}
    found = {cls for cls in found if not is_base(cls)}
    return sorted(found, key=lambda cls: cls.__name__)


def examples():
    """Arguments of layers, as tests state them in their `EXAMPLES`."""
    found = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        if "\nEXAMPLES = {" in path.read_text(encoding="utf-8"):
            name = path.relative_to(TESTS.parent).with_suffix("").parts
            stated = importlib.import_module(".".join(name)).EXAMPLES
            assert not found.keys() & stated, f"{path} states a layer again"
            found |= stated
    return found


EXAMPLES_OF = examples()


@pytest.fixture(params=layers(), ids=lambda cls: cls.__name__)
def example(request):
    """A layer class and arguments that differ from every default."""
    cls = request.param
    assert cls in EXAMPLES_OF, f"its test states EXAMPLES = {{{cls.__name__}: …}}"
    arguments = EXAMPLES_OF[cls]
    known = parameters(cls)
    assert set(arguments) == set(known)
    for name, value in arguments.items():
        assert value != known[name].default, f"{name} is at its default"
    return cls, arguments


def test_every_argument_is_kept_under_its_own_name(example):
    cls, arguments = example
    layer = cls(**arguments)
    assert {name: getattr(layer, name) for name in arguments} == arguments
    assert layer.settings() == arguments


def test_a_layer_comes_back_from_its_configuration(example):
    cls, arguments = example
    layer = cls(**arguments, name="mine")
    again = cls.from_config(layer.get_config())
    assert again.settings() == arguments
    assert again.name == "mine"
    assert again.dtype_policy.name == layer.dtype_policy.name
    assert again.get_config() == layer.get_config()


def test_a_layer_comes_back_from_json_by_its_registered_name(example):
    cls, arguments = example
    text = json.dumps(keras.saving.serialize_keras_object(cls(**arguments)))
    described = json.loads(text)
    assert described["registered_name"] == f"s2s_zoo>{cls.__name__}"
    again = keras.saving.deserialize_keras_object(described)
    assert type(again) is cls
    assert plain(again.settings()) == plain(arguments)


def plain(arguments):
    """Without the difference between tuples and lists, which JSON does not know."""
    described = {name: describe(value) for name, value in arguments.items()}
    return json.loads(json.dumps(described))


def test_defaults_need_no_mention(example):
    cls, arguments = example
    known = parameters(cls)
    required = {
        name: value
        for name, value in arguments.items()
        if known[name].default is known[name].empty
    }
    layer = cls(**required)
    assert cls.from_config(layer.get_config()).settings() == layer.settings()
