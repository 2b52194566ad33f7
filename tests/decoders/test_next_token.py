"""What comes next: torch's adaptive softmax, tied tables, steps after a prompt."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders.adaptive_softmax import AdaptiveSoftmax
from s2s_zoo.decoders.next_token import NextTokenDecoder
from s2s_zoo.encoders.recurrent import RecurrentEncoder
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.language_modeling import LanguageModeling
from s2s_zoo.typing import EncoderOutput
from s2s_zoo.vocabulary import END, PAD, START
from tests.gradients import compiled, value_and_gradients
from tests.pytorch_reference import import_torch
from tests.tiny import draw_weights

EXAMPLES = {
    AdaptiveSoftmax: {"vocabulary_size": 9, "cutoffs": (3, 6), "division": 2.0},
    NextTokenDecoder: {
        "vocabulary_size": 9,
        "tie_source": True,
        "bias": False,
        "cutoffs": (3, 6),
        "division": 2.0,
        "initial_range": 0.1,
    },
}
TOKENS, WIDTH, CUTOFFS = 23, 8, (5, 11)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, WIDTH)).astype("float32")
TARGETS = RNG.integers(0, TOKENS, (3, 4)).astype("int32")
FEW_RARE = np.array([[0, 5, 2, 4], [3, 22, 1, 0], [2, 9, 4, 1]], "int32")
"""Two tokens of one cluster, one of the other."""


def adaptive(tied=False):
    softmax = AdaptiveSoftmax(TOKENS, CUTOFFS, division=2.0)
    if tied:
        table = TokenEmbedding(TOKENS, WIDTH)
        table.build()
        softmax.tie(table)
    softmax.build((None, None, WIDTH))
    rng = np.random.default_rng(1)
    for weight in [*softmax.weights, *(softmax.table.weights if tied else ())]:
        weight.assign(rng.normal(size=weight.shape))
    return softmax


def torch_softmax(softmax):
    torch = import_torch()
    module = torch.nn.AdaptiveLogSoftmaxWithLoss(
        WIDTH, TOKENS, list(CUTOFFS), div_value=2.0
    ).double()
    copied = [softmax.head, *(kernel for tail in softmax.tails for kernel in tail)]
    with torch.no_grad():
        for ours, theirs in zip(copied, module.parameters(), strict=True):
            kernel = ops.convert_to_numpy(ours).T.astype("float64")
            theirs.copy_(torch.tensor(kernel))
    return module


@pytest.mark.parametrize("targets", [TARGETS, FEW_RARE])
def test_adaptive_softmax_equals_torch(targets):
    torch = import_torch()
    softmax = adaptive()
    module = torch_softmax(softmax)
    x = torch.tensor(X.reshape(-1, WIDTH).astype("float64"), requires_grad=True)
    expected = module(x, torch.tensor(targets.reshape(-1).astype("int64"))).output
    expected.sum().backward()

    found, (dx,) = value_and_gradients(
        lambda x: softmax(x, ops.convert_to_tensor(targets)), [X]
    )
    np.testing.assert_allclose(found.reshape(-1), expected.detach().numpy(), 1e-4)
    np.testing.assert_allclose(dx.reshape(-1, WIDTH), x.grad.numpy(), atol=1e-4)
    every = ops.convert_to_numpy(softmax.logits(ops.convert_to_tensor(X)))
    whole = module.log_prob(x).detach().numpy()
    np.testing.assert_allclose(every.reshape(-1, TOKENS), whole, atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX traces both ways")
@pytest.mark.parametrize(("targets", "rows"), [(FEW_RARE, 2), (TARGETS, 12)])
def test_a_cluster_scores_the_few_that_are_in_it(targets, rows, monkeypatch):
    assert ((targets >= CUTOFFS[0]) & (targets < CUTOFFS[1])).sum() in (2, 5)
    softmax, seen = adaptive(), []
    score = softmax._tail_logits
    monkeypatch.setattr(
        softmax, "_tail_logits", lambda x, i: seen.append((i, len(x))) or score(x, i)
    )
    softmax(ops.convert_to_tensor(X), ops.convert_to_tensor(targets))
    assert seen == [(0, rows), (1, rows)]


@pytest.mark.parametrize("tied", [True, False])
def test_adaptive_softmax_is_a_distribution(tied):
    """Exact, tied to a table or not; what is masked scores 0."""
    softmax, x = adaptive(tied), ops.convert_to_tensor(X)
    every = ops.convert_to_numpy(softmax.logits(x))
    np.testing.assert_allclose(np.exp(every).sum(-1), 1, rtol=1e-5)
    mask = np.ones(TARGETS.shape, bool)
    mask[1, 2] = False
    found = softmax(x, ops.convert_to_tensor(TARGETS), ops.convert_to_tensor(mask))
    chosen = np.take_along_axis(every, TARGETS[..., None], axis=-1)[..., 0]
    found = ops.convert_to_numpy(found)
    np.testing.assert_allclose(found, np.where(mask, chosen, 0), atol=1e-5)


def test_a_tied_cluster_is_scored_by_its_rows():
    """Its logits are the products with the rows of the table, in the same order."""
    softmax = adaptive(tied=True)
    every = ops.convert_to_numpy(softmax.logits(ops.convert_to_tensor(X)))
    rows = ops.convert_to_numpy(softmax.table.table)
    for first, end in softmax.clusters:
        products = X @ rows[first:end].T
        within = every[..., first:end]
        shift = within - products
        np.testing.assert_allclose(shift, shift[..., :1].repeat(end - first, -1), 1e-4)


@pytest.mark.parametrize("cutoffs", [(0,), (5, 5), (23,)])
def test_cutoffs_lie_within_the_vocabulary(cutoffs):
    with pytest.raises(ValueError, match="cutoffs increase, above 0 and below the 23"):
        AdaptiveSoftmax(TOKENS, cutoffs)


BUILT = {}
KINDS = {
    "untied": {"decoder.tie_source": False},
    "tied": {},
    "adaptive": {"decoder.tie_source": False, "decoder.cutoffs": (7,)},
}


@pytest.fixture(params=KINDS)
def model(request):
    """A tiny language model, every weight drawn."""
    if request.param not in BUILT:
        preset = PRESETS.get("lstm_lm_small").scaled()
        preset = preset.with_settings({"task.vocabulary": 11, **KINDS[request.param]})
        keras.utils.set_random_seed(1)
        model = preset.build()
        draw_weights(model)
        BUILT[request.param] = model
    return BUILT[request.param]


def scores(model, source, target):
    inputs = {
        "source": source,
        "source_lengths": (source != PAD).sum(1).astype("int32"),
        "target": target,
    }
    found = compiled(lambda inputs: model(inputs, training=False))(inputs)
    return ops.convert_to_numpy(found["log_probabilities"])


PROMPTS = np.array([[END, 5, 6, 4], [END, 7, 0, 0]], "int32")
TEXTS = np.array([[[5, 4, 9], [8, 8, 10]], [[4, 5, 5], [7, 6, 4]]], "int32")
"""(B, K, U) how they go on."""


def test_steps_after_a_prompt_give_what_reading_all_gives(model):
    beams, size = TEXTS.shape[1:]

    def stepped(inputs):
        memory = model.encode(inputs, training=False)
        state, found = model.decoder.start(memory, beams, size), []
        read = np.insert(TEXTS.reshape(-1, size), 0, START, axis=1)
        for u in range(size):
            logits, state = model.decoder.step(ops.convert_to_tensor(read[:, u]), state)
            found.append(ops.log_softmax(logits))
        return ops.stack(found, axis=1)

    inputs = {
        "source": PROMPTS,
        "source_lengths": (PROMPTS != PAD).sum(1).astype("int32"),
    }
    found = ops.convert_to_numpy(compiled(stepped)(inputs))
    chosen = np.take_along_axis(found, TEXTS.reshape(-1, size, 1), axis=2)[..., 0]
    for row, chosen_row in enumerate(chosen):
        prompt = PROMPTS[row // beams][PROMPTS[row // beams] != PAD]
        whole = np.concatenate([prompt, TEXTS.reshape(-1, size)[row]])[None]
        expected = scores(model, whole[:, :-1], whole[:, 1:])[0, len(prompt) - 1 :]
        np.testing.assert_allclose(chosen_row, expected, atol=1e-5)


def test_a_search_scores_texts_as_reading_them_does(model):
    """Rows of beams descend from each other; the end is scored too."""
    search = TokenSearch(beam=3, n_best=3, length_penalty=0.0, length_extra=5)
    inputs = {
        "source": PROMPTS,
        "source_lengths": (PROMPTS != PAD).sum(1).astype("int32"),
    }
    model.search_with(search)
    found = search.read(model.predict_on_batch(inputs))
    assert [len(texts) for texts in found] == [search.rows] * 2
    for prompt, texts in zip(PROMPTS, found, strict=True):
        for text in texts:
            whole = np.concatenate([prompt[prompt != PAD], text.tokens, [END]])
            whole = whole.astype("int32")[None]
            given = int((prompt != PAD).sum()) - 1
            expected = scores(model, whole[:, :-1], whole[:, 1:])[0, given:].sum()
            np.testing.assert_allclose(text.score, expected, rtol=1e-4)


def test_later_tokens_are_not_read(model):
    text = np.array([[END, 5, 6, 4, 7]], "int32")
    changed = text.copy()
    changed[0, 3] = 9
    before = scores(model, text[:, :-1], text[:, 1:])
    after = scores(model, changed[:, :-1], text[:, 1:])
    np.testing.assert_allclose(after[:, :3], before[:, :3], atol=1e-6)
    assert abs(after[0, 3] - before[0, 3]) > 1e-4


def make(encoder, decoder):
    features = TokenFeatures(vocabulary_size=9, width=4)
    model = Seq2Seq(LanguageModeling(), features, encoder, decoder)
    model.build()
    return model


def test_an_encoder_that_cannot_read_on_is_refused():
    with pytest.raises(ValueError, match="Received: TokenFeatures and RecurrentEncode"):
        make(RecurrentEncoder(4, 1), NextTokenDecoder(9))


def test_a_tied_table_has_the_width_of_the_memory():
    decoder = NextTokenDecoder(9, tie_source=True)
    decoder.share(TokenEmbedding(9, 5))
    with pytest.raises(ValueError, match=r"rows of 5: .*Received: 4"):
        decoder.build(EncoderOutput((None, None, 4), (None, None)))
