"""Kim's convolutions against PyTorch."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders.text_cnn import TextCNNEncoder
from tests.pytorch_reference import import_torch
from tests.tiny import draw_weights

EXAMPLES = {TextCNNEncoder: {"kernels": (2, 3), "filters": 5, "dropout": 0.25}}
LENGTHS = np.array([7, 4, 1, 0])


@pytest.mark.parametrize("kernels", [(3, 4, 5), (1, 2)])
def test_feature_maps_are_those_of_pytorch(kernels):
    torch = import_torch()
    encoder = TextCNNEncoder(kernels, filters=6)
    encoder.build((None, None, 3))
    draw_weights(encoder)
    x = np.random.default_rng(0).normal(size=(4, 7, 3)).astype("float32")
    mask = np.arange(7)[None] < LENGTHS[:, None]
    found = ops.convert_to_numpy(encoder(x, mask).sequence)
    assert found.shape == encoder.compute_output_shape(x.shape)
    for row, length in enumerate(LENGTHS):
        assert (found[row, length:] == 0).all()
        if not length:
            continue
        maps = []
        for kernel, layer in zip(kernels, encoder.convolutions, strict=True):
            weight, bias = map(ops.convert_to_numpy, layer.weights)
            before = (kernel - 1) // 2
            sides = ((before, kernel - 1 - before), (0, 0))
            padded = np.pad(x[row, :length], sides).T[None]
            made = torch.nn.functional.conv1d(
                torch.tensor(padded),
                torch.tensor(weight.transpose(2, 1, 0)),
                torch.tensor(bias),
            )
            maps.append(torch.relu(made)[0].T.numpy())
        wanted = np.concatenate(maps, axis=1)
        np.testing.assert_allclose(found[row, :length], wanted, atol=1e-5)
