"""What a Transformer is made of; the whole of it is compared with torch.nn."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders.transformer import DecoderBlock, TransformerDecoder
from s2s_zoo.encoders.transformer import EncoderBlock, TransformerEncoder
from s2s_zoo.layers.attention import CrossAttention, SelfAttention
from s2s_zoo.layers.transformer import FeedForward, Sublayer, sinusoids

HEADS = {"width": 6, "heads": 3, "dropout": 0.25}
SIZES = {
    "width": 6,
    "heads": 3,
    "hidden": 5,
    "dropout": 0.2,
    "attention_dropout": 0.3,
    "relu_dropout": 0.4,
    "norm": "layer_l1",
    "epsilon": 0.1,
}
EXAMPLES = {
    SelfAttention: HEADS | {"causal": True},
    CrossAttention: HEADS,
    FeedForward: {"width": 3, "hidden": 5, "dropout": 0.25},
    Sublayer: {"norm": "batch", "epsilon": 0.1, "dropout": 0.25},
    EncoderBlock: SIZES,
    DecoderBlock: SIZES,
    TransformerEncoder: SIZES | {"layers": 2},
    TransformerDecoder: SIZES
    | {"vocabulary_size": 7, "layers": 2, "tie_source": False, "tie_output": False},
}


def test_codes_of_positions_are_sines_then_cosines():
    """Angles p / 10000^(i / (D/2 - 1)) for i = 0 ... D/2 - 1."""
    found = ops.convert_to_numpy(sinusoids(np.array([[0, 1, 300]]), 6))
    angles = np.array([0, 1, 300])[:, None] / np.array([1.0, 100.0, 10000.0])
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


SPREADS = {
    "layer": lambda x: np.sqrt((x**2).mean(-1, keepdims=True)),
    "layer_l1": lambda x: np.abs(x).mean(-1, keepdims=True),
}


@pytest.mark.parametrize("norm", SPREADS)
def test_a_sublayer_normalizes_what_it_reads_and_adds_what_it_made(norm):
    frame = Sublayer(norm, epsilon=0.0)
    frame.build((None, None, 4))
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    centred = x - x.mean(-1, keepdims=True)
    source = ops.convert_to_tensor(x)
    normalized = frame.before(source, ops.ones((2, 3), "bool"))
    expected = centred / SPREADS[norm](centred)
    np.testing.assert_allclose(ops.convert_to_numpy(normalized), expected, atol=1e-5)
    added = frame.after(source, 2 * source)
    np.testing.assert_allclose(ops.convert_to_numpy(added), 3 * x, rtol=1e-6)


@pytest.mark.parametrize(
    "part", [SelfAttention, TransformerEncoder, TransformerDecoder]
)
def test_heads_share_the_width(part):
    with pytest.raises(ValueError, match="width is a multiple of heads"):
        part(**EXAMPLES[part] | {"heads": 4})


@pytest.mark.parametrize("part", [Sublayer, TransformerEncoder, TransformerDecoder])
def test_another_norm_is_refused(part):
    with pytest.raises(ValueError, match="norm is one of layer, layer_l1, batch"):
        part(**EXAMPLES[part] | {"norm": "group"})
