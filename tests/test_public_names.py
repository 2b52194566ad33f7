"""Every package gives its public names, and only when they are used."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
from types import ModuleType

import keras
import pytest

from s2s_zoo.decoders import Decoder
from s2s_zoo.encoders import Encoder
from s2s_zoo.features import Augmentation, Features
from s2s_zoo.losses import Objective
from s2s_zoo.search import Search
from s2s_zoo.tasks import Task

PACKAGES = (
    *("s2s_zoo.decoders", "s2s_zoo.encoders", "s2s_zoo.features", "s2s_zoo.layers"),
    *("s2s_zoo.losses", "s2s_zoo.metrics", "s2s_zoo.optimizers", "s2s_zoo.search"),
    "s2s_zoo.tasks",
)
HEAVY = {"keras", "numpy", "tensorflow", "jax", "torch", "librosa", "sacrebleu"}
CONTRACTS = (
    *(Features, Augmentation, Encoder, Decoder, Objective, Search, Task),
    *(keras.optimizers.Optimizer, keras.optimizers.schedules.LearningRateSchedule),
)
"""What presets and recipes are made of."""


@pytest.mark.parametrize("package", ["s2s_zoo", *PACKAGES])
def test_the_names_of_a_package(package):
    module = importlib.import_module(package)
    assert sorted(module.__all__) == dir(module)
    for name in module.__all__:
        found = getattr(module, name)
        packaged = isinstance(found, ModuleType)
        assert packaged == (f"{package}.{name}" in PACKAGES), name
    with pytest.raises(AttributeError, match=f"{package!r} has no attribute 'Nothing'"):
        _ = module.Nothing


@pytest.mark.parametrize("package", ["s2s_zoo", *PACKAGES])
def test_a_package_imports_nothing_heavy(package):
    code = f"import sys, {package}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_preset_may_name_is_public(package):
    module = importlib.import_module(package)
    for found in pkgutil.iter_modules(module.__path__, f"{package}."):
        for name, thing in vars(importlib.import_module(found.name)).items():
            if _is_part(thing) and thing.__module__ == found.name:
                assert name in module.__all__


def _is_part(thing):
    """Whether it is a class that presets can make something of."""
    is_class = inspect.isclass(thing) and not inspect.isabstract(thing)
    return is_class and issubclass(thing, CONTRACTS)
