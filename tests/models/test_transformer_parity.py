"""The Transformer against torch.nn with the same weights: logits, gradients, beams."""

import keras
import numpy as np
import pytest
from keras import ops

pytest.importorskip("torch", reason="the reference implementation is PyTorch's")

import torch

from s2s_zoo.decoders.transformer import TransformerDecoder
from s2s_zoo.encoders.transformer import TransformerEncoder
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.text_to_text import TextToText
from s2s_zoo.vocabulary import END, PAD, START
from tests.gradients import value_and_gradients
from tests.pytorch_transformer import PyTorchTransformer
from tests.tiny import searched

V, WIDTH = 23, 16
SIZES = {"layers": 2, "heads": 4, "hidden": 24, "dropout": 0.0}
SIZES |= {"attention_dropout": 0.0, "relu_dropout": 0.0}


@pytest.fixture(scope="module")
def pair():
    """A model whose every weight is drawn, and PyTorch's with the same weights."""
    keras.utils.set_random_seed(3)
    model = Seq2Seq(
        TextToText(),
        TokenFeatures(V, WIDTH, scaled=True),
        TransformerEncoder(WIDTH, **SIZES),
        TransformerDecoder(V, WIDTH, **SIZES),
    )
    model.build()
    rng = np.random.default_rng(3)
    for variable in model.trainable_variables:
        noise = rng.normal(0, 0.3, variable.shape)
        variable.assign(ops.convert_to_numpy(variable) + noise.astype("float32"))
    return model, PyTorchTransformer(model)


def batch():
    rng = np.random.default_rng(5)
    lengths = np.array([9, 4, 1, 6], "int32")
    source = rng.integers(4, V, (4, 9)).astype("int32")
    source *= np.arange(9) < lengths[:, None]
    target = rng.integers(4, V, (4, 7)).astype("int32")
    return source, lengths, target


def as_torch(*arrays):
    return [torch.from_numpy(array).long() for array in arrays]


def test_logits(pair):
    ours, theirs = pair
    source, lengths, target = batch()
    inputs = {"source": source, "source_lengths": lengths, "target": target}
    expected = theirs(*as_torch(source, lengths, target)).detach().numpy()
    found = ops.convert_to_numpy(ours(inputs, training=False)["logits"])
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_gradient_of_the_shared_table(pair):
    ours, theirs = pair
    source, lengths, target = batch()
    weights = np.random.default_rng(1).normal(size=(4, 7, V)).astype("float32")
    logits = theirs(*as_torch(source, lengths, target))
    (expected,) = torch.autograd.grad(
        (logits * torch.from_numpy(weights)).sum(), theirs.table
    )
    table = ours.features.embedding.table
    inputs = {"source": source, "source_lengths": lengths, "target": target}

    def score(value):
        with keras.StatelessScope(state_mapping=[(table, value)]):
            return ours(inputs, training=False)["logits"]

    start = ops.convert_to_numpy(table)
    found = value_and_gradients(score, [start], weights)[1][0]
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-4, rtol=1e-4)


def textbook_beam(model, source, beam, alpha, limit, patience):
    """Beam search over PyTorch's logits, the whole prefix read at every step.

    Without patience it never stops early; with it texts end among the `beam` best.
    """
    memory = model.encode(source, torch.ones_like(source, dtype=torch.bool))
    mask = torch.ones_like(source, dtype=torch.bool)
    alive, finished = [(0.0, [START])], []
    enough = float("inf") if patience is None else round(patience * beam)
    for length in range(1, limit + 2):
        if len(finished) >= enough:
            break
        grown = []
        for score, tokens in alive:
            logits = model.decode(torch.tensor([tokens]), memory, mask)[0, -1]
            steps = torch.log_softmax(logits, -1).tolist()
            for token, step in enumerate(steps):
                if token not in (PAD, START) and (length <= limit or token == END):
                    grown.append((score + step, [*tokens, token]))
        grown.sort(reverse=True)
        alive = []
        for rank, (score, tokens) in enumerate(grown[: 2 * beam]):
            if tokens[-1] == END and (patience is None or rank < beam):
                finished.append((score / ((5 + length) / 6) ** alpha, tokens[1:-1]))
            elif tokens[-1] != END and len(alive) < beam:
                alive.append((score, tokens))
    return sorted(finished, reverse=True)[:beam]


@pytest.mark.parametrize("patience", [None, 1.0])
@pytest.mark.parametrize(("beam", "alpha"), [(1, 0.0), (4, 0.6), (3, 1.0)])
def test_beam_output(pair, beam, alpha, patience):
    ours, theirs = pair
    source, lengths, _ = batch()
    options = TokenSearch(
        beam=beam,
        length_penalty=alpha,
        patience=patience,
        n_best=beam,
        length_extra=3,
        length_factor=1.0,
    )
    inputs = {"source": source, "source_lengths": lengths}
    found = searched(ours, inputs, options)
    found = {name: ops.convert_to_numpy(value) for name, value in found.items()}
    for row, length in enumerate(lengths):
        alone = torch.from_numpy(source[row : row + 1, :length]).long()
        expected = textbook_beam(theirs, alone, beam, alpha, int(length) + 3, patience)
        texts = zip(found["tokens"][row], found["lengths"][row], strict=True)
        assert [text[:size].tolist() for text, size in texts] == [
            text for _, text in expected
        ]
        scores = [score for score, _ in expected]
        np.testing.assert_allclose(found["scores"][row], scores, atol=1e-4)
