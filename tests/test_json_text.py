"""JSON that is nested too deep to be shown is none."""

import json
import sys

import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.json_text import DEPTH, parse_json
from s2s_zoo.models.saving import read_json


def nested(levels):
    return "[" * levels + "]" * levels


def test_values_are_those_of_json():
    text = '{"a": [1, {"b": null}], "c": "[[["}'
    assert parse_json(text) == parse_json(text.encode()) == json.loads(text)
    assert parse_json("3") == 3


@pytest.mark.parametrize("levels", [DEPTH + 1, sys.getrecursionlimit() // 2, 10**6])
def test_what_is_nested_deeper_is_refused(levels):
    assert parse_json(nested(DEPTH)) == json.loads(nested(DEPTH))
    for text in (nested(levels), f'{{"a": {nested(levels)}}}'):
        with pytest.raises(ValueError, match=f"nested deeper than {DEPTH} levels"):
            parse_json(text)


def test_a_file_of_it_is_one_error(tmp_path):
    path = tmp_path / "task.json"
    path.write_text(f'{{"part": {nested(600)}}}')
    with pytest.raises(UserError, match=r"task\.json: nested deeper than 100 levels"):
        read_json(path)
