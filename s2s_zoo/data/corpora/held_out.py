"""Validation and test of corpora of one voice, which come without."""

import hashlib
from collections.abc import Sequence

from s2s_zoo.data.manifests import Utterance

SHARES = {"validation": 100 / 13_100, "test": 500 / 13_100}
"""Of all utterances: 100 and 500 of LJSpeech."""
SPLITS = ("train", *SHARES)


def of_split(utterances: Sequence[Utterance], split: str) -> list[Utterance]:
    """The utterances of a split, in their order.

    Those whose names have the smallest SHA-256 are validation, the next ones test; of
    each there is one at least.
    """
    order = sorted(
        (hashlib.sha256(one.name.encode()).digest(), i)
        for i, one in enumerate(utterances)
    )
    first = max(1, round(len(order) * SHARES["validation"]))
    second = first + max(1, round(len(order) * SHARES["test"]))
    places = {
        "validation": order[:first],
        "test": order[first:second],
        "train": order[second:],
    }
    return [utterances[i] for i in sorted(i for _, i in places[split])]
