"""The sentences that refuse a value."""

import math

import pytest

from s2s_zoo.errors import UserError, check_choice, check_range, named_path


def test_a_choice_is_named_with_all_there_are():
    check_choice("cell", "gru", ("gru", "lstm"))
    with pytest.raises(ValueError, match=r"^cell is one of gru, lstm. Received: 'x'$"):
        check_choice("cell", "x", {"gru": 3, "lstm": 4})


@pytest.mark.parametrize("value", [0, 1001, -math.inf, math.nan])
def test_a_range_is_named_with_its_ends(value):
    check_range("layers", 1, 1, 1000)
    check_range("layers", 1000, 1, 1000)
    with pytest.raises(ValueError, match=rf"^layers is 1 to 1,000. Received: {value}$"):
        check_range("layers", value, 1, 1000)


def test_a_message_can_be_printed_whatever_came():
    assert str(UserError("no \ud800 here, Ä")) == "no \\ud800 here, Ä"
    assert str(UserError()) == ""


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-that-name/x"])
def test_paths_that_cannot_be(name):
    with pytest.raises(UserError, match=f"^{name[:200]}.*: no such path: "):
        named_path(name)


def test_paths_that_can_be(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert named_path("~/a") == tmp_path / "a"
    assert named_path(tmp_path) == tmp_path
