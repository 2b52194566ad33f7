"""Every public name is documented by an example that runs."""

import doctest
import importlib
import inspect
import io

import pytest

from s2s_zoo.registry import PRESETS
from tests.test_public_names import PACKAGES

PUBLIC = {
    f"{package}.{name}": getattr(module, name)
    for package in ("s2s_zoo", *PACKAGES)
    for module in [importlib.import_module(package)]
    for name in module.__all__
}
DOCUMENTED = {
    name: thing
    for name, thing in PUBLIC.items()
    if inspect.isclass(thing) or inspect.isfunction(thing)
}


@pytest.fixture(autouse=True)
def _presets_stay_as_they_are(monkeypatch):
    PRESETS.names()
    monkeypatch.setattr(PRESETS, "_entries", dict(PRESETS._entries))
    monkeypatch.setattr(PRESETS, "_origins", dict(PRESETS._origins))


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_example_of_a_public_name(name):
    text = inspect.getdoc(DOCUMENTED[name])
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert example.examples, f"the docstring of {name} has no example"
    said = io.StringIO()
    failed, _ = doctest.DocTestRunner(verbose=False).run(example, out=said.write)
    assert not failed, said.getvalue()
