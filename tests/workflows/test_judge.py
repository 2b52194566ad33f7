"""A recognizer's word on synthesized speech."""

import json

import keras
import pytest
from click.testing import CliRunner
from s2s_zoo.cli.evaluate import command

from s2s_zoo.data.audio import probe_audio
from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.workflows import judge as module
from s2s_zoo.workflows.judge import Judgement, judge, words
from tests.speech_corpus import write_corpus


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of untrained models, and a corpus; what is never trained says anything."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("judge")
    for name in ("tacotron2_small", "lstm_ctc_small"):
        preset = PRESETS.get(name).scaled()
        if name.startswith("tacotron2"):
            settings = {"task.search.stop": 0.999, "task.vocoder.iterations": 1}
            settings["task.search.frames_per_token"] = 2.0
            settings["task.search.extra_frames"] = 5
            preset = preset.with_settings(settings)
        preset.build().save_to_preset(folder / name / "preset")
        request = {"preset": name, "data": str(folder / "corpus"), "settings": {}}
        (folder / name / "run.json").write_text(json.dumps(request))
    write_corpus(folder / "corpus")
    return folder


def test_words_are_compared_without_case_and_punctuation():
    found = Judgement(
        ["turn it on", "stop"], ["turn on", "stop"], ["turn it on", "top"]
    )
    summary = found.summary()
    assert summary["word_error_rate"] == {"synthesized": 0.25, "recorded": 0.25}
    assert summary["difference"][1] == 0
    assert words("Turn it ON, please!") == "turn it on please"


def test_every_sentence_and_recording_is_heard(runs, monkeypatch):
    heard = []

    def generate(self, inputs, **search):
        heard.append([probe_audio(path).samples for path in inputs])
        return ["abc"] * len(inputs)

    monkeypatch.setattr(Seq2Seq, "generate", generate)
    found = judge(
        run=runs / "tacotron2_small",
        recognizer=runs / "lstm_ctc_small",
        data=str(runs / "corpus"),
    )
    synthesized, recorded = heard
    assert len(synthesized) == len(recorded) == len(found.references) == 3
    task = Seq2Seq.from_preset(runs / "tacotron2_small" / "preset").task
    for text, samples in zip(found.references, synthesized, strict=True):
        frames = 2 * (len(text) + 1) + 5
        assert samples == (frames - 1) * task.spectrogram.stride
    wrong = sum(text != "abc" for text in found.references)
    assert found.summary()["word_error_rate"]["recorded"] == wrong / 3


def test_the_command_line_prints_both_rates(runs, monkeypatch):
    made = Judgement(["turn it on"], ["turn off"], ["turn it on"])
    monkeypatch.setattr(module, "judge", lambda **_: made)
    arguments = [str(runs / "tacotron2_small"), "--judge", str(runs / "lstm_ctc_small")]
    run = CliRunner().invoke
    lines = run(command, arguments, catch_exceptions=False).stdout.splitlines()
    assert lines[0].startswith("word error rate, synthesized: 66.67%")
    assert lines[1].startswith("word error rate, recorded: 0.00%")
    assert lines[2].startswith("difference: +66.67")
    printed = json.loads(run(command, [*arguments, "--json"]).stdout)
    assert printed["word_error_rate"]["synthesized"] == pytest.approx(2 / 3)


def test_runs_of_other_tasks_are_refused(runs):
    one, other = runs / "tacotron2_small", runs / "lstm_ctc_small"
    with pytest.raises(UserError, match="is a run of text_to_speech; expected speech"):
        judge(run=one, recognizer=one, data=str(runs / "corpus"))
    with pytest.raises(UserError, match="is a run of speech_to_text; expected text_to"):
        judge(run=other, recognizer=other, data=str(runs / "corpus"))
