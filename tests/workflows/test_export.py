"""What the export workflow refuses before it writes anything."""

from dataclasses import replace

import keras
import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.export.formats import FORMATS, Format
from s2s_zoo.registry import PRESETS
from s2s_zoo.workflows import export as workflow
from s2s_zoo.workflows.export import export


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run, and a format that costs nothing."""
    PRESETS.get("deepspeech2_small").scaled().build().save_to_preset(
        tmp_path / "run/preset"
    )
    free = Format(
        keras.backend.backend(),
        write=lambda serving, path: path.mkdir(),
        run=print,
        compared=lambda serving: serving,
    )
    monkeypatch.setitem(FORMATS, "free", free)
    monkeypatch.setattr(workflow, "compare", lambda serving, run: 0.0)
    return tmp_path / "run"


def test_unknown_format_lists_the_known(run):
    with pytest.raises(UserError, match=r"savedmodel.*Received: tflite"):
        export(run=run, format="tflite")


def test_another_backend_is_refused(run, monkeypatch):
    monkeypatch.setitem(FORMATS, "free", replace(FORMATS["free"], backend="abacus"))
    with pytest.raises(UserError, match=r"KERAS_BACKEND=abacus"):
        export(run=run, format="free")


def test_no_run(tmp_path, run):
    with pytest.raises(UserError, match="no trained model"):
        export(run=tmp_path / "elsewhere", format="free")


def test_default_output_is_in_the_run(run):
    result = export(run=run, format="free")
    assert result.path == str(run / "export/free")
    assert [p.name for p in (run / "export").iterdir()] == ["free"]


def test_output_in_use_is_refused(run, tmp_path):
    (tmp_path / "out").mkdir()
    export(run=run, format="free", output=tmp_path / "out")
    (tmp_path / "out/mine").write_text("keep me")
    with pytest.raises(UserError, match="not an empty directory"):
        export(run=run, format="free", output=tmp_path / "out")
    assert (tmp_path / "out/mine").read_text() == "keep me"


def test_output_that_cannot_be_made_is_refused(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        export(run=run, format="free", output=tmp_path / "file/out")
