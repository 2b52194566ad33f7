"""Values read from files, as arguments of parts."""

import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.parts import check_type


@pytest.mark.parametrize("text", ["\0", "a\ud800", "\udfff"])
def test_what_is_no_text(text):
    check_type(str, "ä \U0001f600 \u202e", "task.alphabet")
    for annotation, value in ((str, text), (str | None, text), (list[str], [text])):
        with pytest.raises(UserError, match=r"^task\.alphabet is of type "):
            check_type(annotation, value, "task.alphabet")
