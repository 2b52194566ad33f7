"""A trained recognizer hears in windows what it hears at once."""

import numpy as np
import pytest

from s2s_zoo.data.audio import read_audio, write_wav
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.workflows.infer import infer
from s2s_zoo.workflows.train import train
from tests.learning.test_speech_to_text import FAMILIES, RECIPE
from tests.speech_corpus import LETTERS, RATE, tones, write_corpus


@pytest.mark.slow
@pytest.mark.parametrize("preset", FAMILIES)
def test_minutes_of_letters_are_heard_as_at_once(preset, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", train=160, validation=40)
    settings = {**RECIPE, **FAMILIES[preset]}
    run, path = tmp_path / "run", tmp_path / "minutes.wav"
    train(preset=preset, data=str(corpus), run_dir=run, settings=settings)
    rng = np.random.default_rng(5)
    spoken = "".join(rng.choice(list(LETTERS), 700))
    write_wav(path, tones(spoken, rng), RATE)

    model = Seq2Seq.from_preset(run / "preset", load_weights=True)
    reader = model.task.runner(model, model.task.search)
    source = read_audio(path, RATE)
    assert len(source) > 3 * reader.long_audio.windows.samples
    inputs = {"source": source[None], "source_lengths": np.array([len(source)])}
    whole = reader.read(inputs, model.predict_on_batch(inputs))[0].output

    [found] = infer(run=run, inputs=[str(path)])
    assert found["output"] == whole
    assert len(whole) > len(spoken) / 2
