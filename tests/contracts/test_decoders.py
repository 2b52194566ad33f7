"""Every decoder that writes token by token: stepping, beams, alignment, neighbours."""

import itertools
from contextlib import contextmanager
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.compilation import CompiledLoop
from s2s_zoo.decoders.base import TokenDecoder
from s2s_zoo.registry import PRESETS
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.typing import EncoderOutput
from s2s_zoo.vocabulary import END, PAD, START
from tests.gradients import compiled
from tests.tiny import batch_of, distinct

NAMES = [
    name
    for name in distinct("decoder")
    if issubclass(PRESETS.get(name).decoder.func, TokenDecoder)
]
CLASSES = {PRESETS.get(name).decoder.func: name for name in reversed(NAMES)}
"""A preset of each class of decoder: what compiles a search is that of a class."""
BUILT = {}
BEAMS = 3
of_each_class = pytest.mark.parametrize("model", CLASSES.values(), indirect=True)


@pytest.fixture(params=NAMES)
def model(request):
    """The scaled model of a preset in float32, every weight drawn."""
    if request.param not in BUILT:
        settings = {"recipe.precision": "float32", "task.vocabulary": 11}
        preset = PRESETS.get(request.param).scaled().with_settings(settings)
        keras.utils.set_random_seed(1)
        model = preset.build()
        rng = np.random.default_rng(1)
        for variable in model.trainable_variables:
            noise = rng.normal(0, 0.2, variable.shape)
            variable.assign(ops.convert_to_numpy(variable) + noise.astype("float32"))
        BUILT[request.param] = model, batch(preset)
    return BUILT[request.param]


def batch(preset):
    inputs, _ = batch_of(preset)
    rng = np.random.default_rng(2)
    lengths = np.array([7, 3, 1], "int32")
    source = rng.integers(4, 11, (3, 7)).astype("int32")
    source *= np.arange(7) < lengths[:, None]
    target = rng.integers(4, 11, (3, 5)).astype("int32")
    return inputs | {"source": source, "source_lengths": lengths, "target": target}


def numbers(function, *arguments):
    found = compiled(function)(*arguments)
    return keras.tree.map_structure(ops.convert_to_numpy, found)


@pytest.mark.parametrize("reordered", [True, False])
def test_stepping_gives_what_teacher_forcing_gives(model, reordered):
    """Every row of a source another text."""
    model, inputs = model
    sources, size = inputs["target"].shape
    texts = np.random.default_rng(4).integers(4, 11, (sources, BEAMS, size))
    texts = texts.astype("int32")

    def stepped(inputs):
        memory = model.encode(inputs, training=False)
        state = model.decoder.start(memory, BEAMS, size, reordered)
        read = np.insert(texts.reshape(-1, size), 0, START, axis=1)
        logits = []
        for u in range(size):
            scores, state = model.decoder.step(ops.convert_to_tensor(read[:, u]), state)
            logits.append(scores)
        return ops.stack(logits, axis=1)

    expected = forced_beams(model, inputs, texts).reshape(sources * BEAMS, size, -1)
    rounding = 1e-5 * np.abs(expected).max()  # batch normalization gives logits of 50
    np.testing.assert_allclose(numbers(stepped, inputs), expected, 0, rounding)


def forced_beams(model, inputs, texts):
    """(B, K, U, V) logits of teacher forcing for `texts` (B, K, U)."""

    def forced(inputs, target):
        return model(inputs | {"target": target}, training=False)["logits"]

    each = texts.transpose(1, 0, 2)
    return np.stack([numbers(forced, inputs, target) for target in each], axis=1)


def test_rows_go_on_from_the_rows_they_descend_from(model):
    """Reordered before every token, as a beam search does, some of them copied."""
    model, inputs = model
    rng = np.random.default_rng(3)
    size, sources = inputs["target"].shape[1], len(inputs["target"])
    drawn = rng.integers(4, 11, (size, sources * BEAMS)).astype("int32")
    parents = rng.integers(0, BEAMS, (size, sources, BEAMS))
    parents = (parents + BEAMS * np.arange(sources)[:, None]).reshape(size, -1)
    texts = np.zeros((sources * BEAMS, 0), "int32")

    def stepped(inputs):
        memory = model.encode(inputs, training=False)
        state = model.decoder.start(memory, BEAMS, size + 1)
        tokens = np.full(sources * BEAMS, START, "int32")
        for order, following in zip(parents, drawn, strict=True):
            _, state = model.decoder.step(ops.convert_to_tensor(tokens), state)
            follow = partial(ops.take, indices=ops.convert_to_tensor(order), axis=0)
            state = state._replace(cache=keras.tree.map_structure(follow, state.cache))
            tokens = following
        return model.decoder.step(ops.convert_to_tensor(tokens), state)[0]

    for order, following in zip(parents, drawn, strict=True):
        texts = np.concatenate([texts[order], following[:, None]], axis=1)

    after = np.pad(texts, ((0, 0), (0, 1)), constant_values=4)
    expected = forced_beams(model, inputs, after.reshape(sources, BEAMS, -1))
    expected = expected[:, :, -1].reshape(sources * BEAMS, -1)
    np.testing.assert_allclose(numbers(stepped, inputs), expected, atol=2e-5, rtol=1e-5)


def test_later_tokens_are_not_read(model):
    model, inputs = model
    changed = inputs["target"].copy()
    changed[:, 3] = 15 - changed[:, 3]

    def forced(inputs):
        return model(inputs, training=False)["logits"]

    before = numbers(forced, inputs)
    after = numbers(forced, inputs | {"target": changed})
    np.testing.assert_allclose(after[:, :4], before[:, :4], atol=1e-5)
    assert np.abs(after[:, 4] - before[:, 4]).max() > 1e-4


def test_alignment_is_shared_among_the_real_frames(model):
    model, inputs = model

    def align(inputs):
        memory = model.encode(inputs, training=False)
        target = ops.convert_to_tensor(inputs["target"])
        return model.decoder.alignment(target, memory)

    weights = numbers(align, inputs)
    real = np.arange(7) < inputs["source_lengths"][:, None]
    assert weights.shape == (3, 5, 7)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(weights.sum(1)[~real], 0, atol=1e-6)


def test_a_sentence_alone_is_written_as_in_any_batch(model):
    """All of its texts; by each search another sentence, shorter than the batch."""
    model, inputs = model
    source, lengths = inputs["source"], inputs["source_lengths"]
    for beam, row in ((1, 2), (4, 1)):
        model.search_with(TokenSearch(beam=beam, n_best=beam, length_extra=4))
        one = slice(row, row + 1)
        with untraced(model):
            together = write(model, source, lengths)
            (alone,) = write(model, source[one, : lengths[row]], lengths[one])
        for (tokens, score), expected in zip(alone, together[row], strict=True):
            assert tokens == expected[0]
            np.testing.assert_allclose(score, expected[1], rtol=1e-5)
        for tokens, _ in itertools.chain(*together):
            assert not {PAD, END, START} & set(tokens)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow leaves sizes open"
)
@pytest.mark.parametrize(
    ("model", "search"),
    [
        *[(name, TokenSearch(beam=2)) for name in CLASSES.values()],
        (NAMES[0], TokenSearch(beam=1)),
        (NAMES[-1], TokenSearch(temperature=1.0, n_best=2)),
    ],
    indirect=["model"],
)
def test_a_graph_of_one_batch_size_searches_sources_of_any_length(model, search):
    model, inputs = model
    source, lengths = inputs["source"], inputs["source_lengths"]
    model.search_with(search)
    expected = write(model, source, lengths)
    for more in (1, 2):
        wider = np.pad(source, ((0, 0), (0, more)))
        assert [
            [text[0] for text in texts] for texts in write(model, wider, lengths)
        ] == [[text[0] for text in texts] for texts in expected]


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="JAX compiles every search"
)
@of_each_class
def test_a_compiled_search_writes_the_same(model):
    """The other batch of its shape too, and after its weights have changed."""
    model, inputs = model
    source, lengths = inputs["source"], inputs["source_lengths"]
    batches = [(source, lengths), (source[::-1].copy(), lengths[::-1].copy())]
    kernel = max(model.decoder.trainable_variables, key=lambda v: np.prod(v.shape))
    before = ops.convert_to_numpy(kernel).copy()
    model.search_with(TokenSearch(beam=2, n_best=2, length_extra=4))
    loop = CompiledLoop("eager")
    expected, found = [], []
    try:
        for texts, how in (
            (expected, untraced(model)),
            (found, compiled_search(model, loop)),
        ):
            with how:
                for factor in (1.0, -0.5):
                    kernel.assign(factor * before)
                    texts += [write(model, *batch) for batch in batches]
    finally:
        kernel.assign(before)
    for texts, same in zip(found, expected, strict=True):
        assert_same_texts(texts, same)
    if keras.backend.backend() == "torch":
        assert len(loop) == 1


@contextmanager
def untraced(model):
    """Step by step on TensorFlow, where tracing takes longer than a short search."""
    model.run_eagerly = keras.backend.backend() == "tensorflow"
    model.predict_function = None
    try:
        yield
    finally:
        model.run_eagerly, model.predict_function = False, None


@contextmanager
def compiled_search(model, loop):
    """By XLA on TensorFlow, in `loop` on PyTorch."""
    before, model.predict_function = model.loop, None
    if keras.backend.backend() == "torch":
        model.loop = loop
    else:
        model.compile_search()
    try:
        yield
    finally:
        model.loop, model.jit_compile = before, False
        model.predict_function = None


def assert_same_texts(texts, same):
    for row, wanted in zip(texts, same, strict=True):
        assert [tokens for tokens, _ in row] == [tokens for tokens, _ in wanted]
        np.testing.assert_allclose(
            [score for _, score in row], [score for _, score in wanted], rtol=1e-5
        )


def write(model, source, lengths):
    """Tokens and score of each text of each source."""
    inputs = {"source": source, "source_lengths": lengths}
    result = keras.tree.map_structure(
        ops.convert_to_numpy, model.predict_on_batch(inputs)
    )
    rows = zip(result["tokens"], result["lengths"], result["scores"], strict=True)
    return [
        [(tuple(t[:n].tolist()), s) for t, n, s in zip(*row, strict=True)]
        for row in rows
    ]


@pytest.mark.parametrize("name", NAMES)
def test_reads_the_memory_of_any_encoder(name):
    """Of another width, with neither state nor keys, and of no frames at all."""
    preset = PRESETS.get(name).scaled()
    keywords = {**preset.decoder.keywords, "tie_source": False}
    decoder = preset.decoder.func(**keywords, vocabulary_size=11)
    decoder.build(EncoderOutput((None, None, 6), (None, None)))
    rng = np.random.default_rng(0)
    sequence = rng.normal(size=(2, 4, 6)).astype("float32")
    mask = np.array([[True] * 4, [False] * 4])
    sequence *= mask[..., None]
    target = rng.integers(4, 11, (2, 3)).astype("int32")
    memory = EncoderOutput(ops.convert_to_tensor(sequence), ops.convert_to_tensor(mask))
    logits = decoder(ops.convert_to_tensor(target), memory)["logits"]
    assert tuple(logits.shape) == (2, 3, 11)
    assert np.isfinite(ops.convert_to_numpy(logits)).all()
