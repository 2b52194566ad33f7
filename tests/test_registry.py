"""Names: one spelling, close matches, no silent replacement."""

import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.registry import PRESETS, TASKS, Registry, canonical


@pytest.fixture
def registry():
    """A registry over a package without things of its own."""
    return Registry("fruit", "s2s_zoo.losses", "s2s_zoo.no_such_group")


def test_hyphens_case_and_spaces_do_not_matter(registry):
    registry.register("Granny-Smith", 1, "a.py")
    for name in ("granny_smith", "GRANNY-SMITH", " granny-smith "):
        assert registry.get(name) == 1
        assert name in registry
        assert canonical(name) == "granny_smith"
    assert registry.names() == ["granny_smith"]


def test_things_come_in_the_order_of_their_names(registry):
    for name, thing in (("pear", 2), ("apple", 1), ("quince", 3)):
        registry.register(name, thing, "a.py")
    assert list(registry) == [1, 2, 3]


def test_an_unknown_name_lists_close_ones_and_all(registry):
    registry.register("apple", 1, "a.py")
    registry.register("pear", 2, "a.py")
    with pytest.raises(UserError) as caught:
        registry.get("aple")
    assert str(caught.value) == "No fruit 'aple'. Did you mean apple? All: apple, pear"
    with pytest.raises(UserError, match=r"^No fruit 'xyz'\. All: apple, pear$"):
        registry.get("xyz")
    assert "xyz" not in registry


def test_another_file_cannot_take_a_name(registry):
    registry.register("apple", 1, "a.py")
    with pytest.raises(ValueError, match=r"'apple' of b\.py exists already: a\.py"):
        registry.register("Apple", 2, "b.py")
    assert registry.get("apple") == 1
    registry.register("apple", 3, "a.py")
    assert registry.get("apple") == 3


def test_entry_points_of_other_packages_are_loaded(monkeypatch, registry):
    class Point:
        def load(self):
            registry.register("durian", 9, "elsewhere.py")

    def points(group):
        return [Point()] if group == "s2s_zoo.no_such_group" else []

    monkeypatch.setattr("s2s_zoo.registry.entry_points", points)
    assert registry.get("durian") == 9


def test_the_built_in_names_are_there():
    assert {"deepspeech2_small", "lstm_ctc_small"} <= set(PRESETS.names())
    assert {"speech_to_text", "text_to_text"} <= set(TASKS.names())
