"""Every package gives its public names, and only when they are used."""

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

PACKAGES = (
    *("s2s_zoo.decoders", "s2s_zoo.encoders", "s2s_zoo.features", "s2s_zoo.layers"),
    *("s2s_zoo.losses", "s2s_zoo.metrics", "s2s_zoo.ngrams", "s2s_zoo.optimizers"),
    *("s2s_zoo.search", "s2s_zoo.tasks"),
)
HEAVY = {"keras", "numpy", "tensorflow", "jax", "torch", "librosa", "sacrebleu"}


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
