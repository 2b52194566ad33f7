"""Lines of large files are those of their text, and memory is bounded."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s_zoo.data import lines as lines_module
from s2s_zoo.data.lines import Lines
from s2s_zoo.errors import UserError

LINE = st.text(
    st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"]), max_size=9
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(LINE, max_size=30),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(3, 40),
)
def test_lines_are_those_of_the_text(tmp_path_factory, found, end, block):
    path = tmp_path_factory.mktemp("lines") / "text"
    path.write_bytes(end.join([*found, ""]).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "_BLOCK", block)
        lines = Lines(path)
    assert len(lines) == len(found)
    expected = [f.removeprefix("\ufeff") if i == 0 else f for i, f in enumerate(found)]
    assert lines.read(np.arange(len(found))) == expected
    assert [lines.read([i])[0] for i in range(len(found))] == expected
    assert lines.read(np.arange(0, len(found), 7)) == expected[::7]
    blank = [all(character <= " " for character in line) for line in expected]
    assert lines.blank.tolist() == blank


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Fault 17: memory is bounded."""
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 1 << 20)
    monkeypatch.setattr(lines_module, "_BLOCK", 1 << 18)
    path = tmp_path / "a.tsv"
    path.write_bytes(b"x" * (3 << 20))
    with pytest.raises(UserError, match="a line of more than 1 MiB; is it text"):
        Lines(path)
