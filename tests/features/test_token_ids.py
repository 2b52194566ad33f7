"""Token ids as features."""

import numpy as np
from keras import ops

from s2s_zoo.features.token_ids import TokenIds

EXAMPLES = {TokenIds: {}}


def test_ids_are_kept_and_padding_is_zero():
    source = np.array([[4, 5, 6], [7, 8, 9]], "int32")
    ids, mask = TokenIds()(source, np.array([2, 0], "int32"))
    assert ops.convert_to_numpy(ids).tolist() == [[4, 5, 0], [0, 0, 0]]
    assert ops.convert_to_numpy(mask).tolist() == [[True, True, False], [False] * 3]
