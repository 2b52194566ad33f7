"""Images to normalized channels."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.features.images import ImageFeatures

EXAMPLES = {
    ImageFeatures: {
        "size": (5, 4),
        "channels": 3,
        "mean": (0.1, 0.2, 0.3),
        "deviation": (0.4, 0.5, 0.6),
    }
}


def test_normalizes_each_channel_and_leaves_nothing_where_there_is_no_image():
    source = np.random.default_rng(0).integers(0, 256, (3, 1, 5, 4, 3), np.uint8)
    layer = ImageFeatures(**EXAMPLES[ImageFeatures])
    x, mask = map(ops.convert_to_numpy, layer(source, np.array([1, 0, 1])))
    expected = (source[:, 0] / 255 - [0.1, 0.2, 0.3]) / [0.4, 0.5, 0.6]
    np.testing.assert_allclose(x[[0, 2]], expected[[0, 2]], atol=1e-5)
    assert (x[1] == 0).all()
    assert mask.tolist() == [[True], [False], [True]]
    assert layer.feature_shape(layer.source_shape) == (None, 5, 4, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": (5,)}, r"size is \(height, width\)"),
        ({"channels": 2}, "channels are 1 or 3"),
        ({"mean": (0.1, 0.2)}, "mean has 1 or 3 numbers"),
        ({"deviation": (0.0,)}, "deviation is above 0"),
    ],
)
def test_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        ImageFeatures(**{**EXAMPLES[ImageFeatures], **settings})
