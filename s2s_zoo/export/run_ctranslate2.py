"""Run a CTranslate2 model where neither Keras nor s2s-zoo can be imported.

A program of its own: `python -P run_ctranslate2.py DIRECTORY BATCHES RESULTS`. The
arrays of the NPZ file BATCHES are named `batch/greedy/input`, those of RESULTS
`batch/greedy/output`.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import ctranslate2

LONGEST = 32
"""Tokens compared at most."""


def main(directory: str, batches: str, results: str) -> None:
    """Translate all batches greedily and score what was written."""
    for package in ("keras", "s2s_zoo"):
        sys.modules[package] = None  # type: ignore[assignment]  # import it and fail
    import ctranslate2

    translator = ctranslate2.Translator(directory, "cpu", compute_type="float32")
    options = _read(directory, "serving")["translate_batch"]
    outputs = {}
    with np.load(batches) as arrays:
        for call in {key.rpartition("/")[0] for key in arrays.files}:
            source, lengths = (arrays[f"{call}/source{s}"] for s in ("", "_lengths"))
            ids = [row[: n - 1] for row, n in zip(source, lengths, strict=True)]
            for name, value in _greedy(translator, directory, options, ids).items():
                outputs[f"{call}/{name}"] = value
    np.savez(results, allow_pickle=False, **outputs)


def _greedy(
    translator: "ctranslate2.Translator",
    directory: str,
    options: dict[str, Any],
    ids: list[NDArray[np.int32]],
) -> dict[str, NDArray[Any]]:
    """Tokens (B, U), -1 after the last, and log-probabilities (B, U+1) with the end.

    Args:
        translator: of the model in `directory`.
        directory: holds the vocabularies.
        options: of `translate_batch`.
        ids: tokens of the sources, without the end, which CTranslate2 adds.
    """
    source, target = (_vocabulary(directory, side) for side in ("source", "target"))
    read = [[source[i] for i in row] for row in ids]
    translator.translate_batch(read[:1], **options)  # it takes the options written
    greedy = {"beam_size": 1, "num_hypotheses": 1, "patience": 1.0}
    greedy |= {"max_decoding_length": LONGEST}
    found = translator.translate_batch(read, **{**options, **greedy})
    written = [result.hypotheses[0] for result in found]
    scored = translator.score_batch(read, written, max_input_length=0)
    tokens = np.full((len(ids), LONGEST), -1, np.int32)
    log_probabilities = np.zeros((len(ids), LONGEST + 1), np.float32)
    for row, (pieces, score) in enumerate(zip(written, scored, strict=True)):
        tokens[row, : len(pieces)] = [target.index(piece) for piece in pieces]
        log_probabilities[row, : len(pieces) + 1] = score.log_probs
    return {"tokens": tokens, "log_probabilities": log_probabilities}


def _vocabulary(directory: str, side: str) -> list[str]:
    """The pieces of a side; one file holds both where they are the same."""
    own = Path(directory, f"{side}_vocabulary.json")
    pieces: list[str] = _read(directory, own.stem if own.exists() else SHARED)
    return pieces


SHARED = "shared_vocabulary"


def _read(directory: str, name: str) -> Any:
    return json.loads(Path(directory, f"{name}.json").read_text("utf-8"))


if __name__ == "__main__":
    main(*sys.argv[1:])
