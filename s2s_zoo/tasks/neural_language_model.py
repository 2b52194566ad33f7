"""Trained language models behind the interface of all language models.

A recognizer's search asks them as it asks n-gram models, that of a translator with the
same vocabulary lets them write.
"""

import logging
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.data.words import encode_texts
from s2s_zoo.errors import UserError
from s2s_zoo.layers.carry import packed_state
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.ngrams.base import SPACE, LanguageModel
from s2s_zoo.search.base import Search
from s2s_zoo.search.ctc_beam import CTCBeam
from s2s_zoo.search.language_model import read_language_model
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.text_probability import state_width
from s2s_zoo.typing import DecoderState, EncoderOutput, Tensor
from s2s_zoo.vocabulary import END, SPECIAL_PIECES, UNKNOWN

_log = logging.getLogger(__name__)

History: TypeAlias = tuple[int, ...]
"""The tokens since the start of a line."""

ROWS, STATES = 1 << 10, 1 << 16
"""Distributions and states that are remembered."""


class NeuralLanguageModel(LanguageModel[History]):
    """A trained language model, asked unit by unit.

    The units are words, cut into the tokens of the model; of a model of characters
    they are these. A line begins as behind the end of another, and of characters with
    the space that SentencePiece puts in front of the first word.

    Args:
        model: of the task "language_model".
        tokenizer: its own.

    Example:
        >>> from s2s_zoo import Seq2Seq
        >>> from s2s_zoo.data.texts import Text
        >>> from s2s_zoo.tasks import LanguageModeling, NeuralLanguageModel
        >>> task = LanguageModeling(vocabulary=7).fit([Text("1", "to be or not to be")])
        >>> sizes = {"features": {"width": 4}, "encoder": {"units": (4,)}}
        >>> model = Seq2Seq.from_preset("lstm_lm_small", **sizes)
        >>> model = NeuralLanguageModel(model, task.tokens)
        >>> logarithm, state = model.advance(model.start(), "to")
        >>> logarithm < 0, len(state)
        (True, 1)
    """

    unknown_are_alike = False

    def __init__(self, model: Seq2Seq, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.steps = TextBeginning(model)
        self.unit = "characters" if tokenizer.kind == "char" else "words"
        self.vocabulary: Collection[str] = frozenset(self._units())
        self._next = NextDistribution(model)
        self._zero = np.zeros((1, state_width(model)), np.float32)
        self._rows: OrderedDict[History, NDArray[np.float32]] = OrderedDict()
        self._states: OrderedDict[History, NDArray[np.float32]] = OrderedDict()
        self._cut = lru_cache(maxsize=STATES)(self._tokens)

    def _units(self) -> list[str]:
        pieces = self.tokenizer.pieces[len(SPECIAL_PIECES) :]
        if self.unit == "characters":
            return list(pieces)
        return [piece[1:] for piece in pieces if piece.startswith("▁") and piece[1:]]

    def start(self) -> History:
        return self._tokens(SPACE) if self.unit == "characters" else ()

    def advance(self, state: History, unit: str) -> tuple[float, History]:
        total = 0.0
        for token in self._cut(unit):
            total += float(self._row(state)[token])
            state = (*state, token)
        return total, state

    def end(self, state: History) -> float:
        return float(self._row(state)[END])

    def _tokens(self, unit: str) -> tuple[int, ...]:
        """The tokens of a unit; at least the unknown one."""
        if self.unit == "characters":
            pieces = self.tokenizer.pieces
            return (pieces.index(unit) if unit in self.vocabulary else UNKNOWN,)
        return tuple(encode_texts(self.tokenizer, [unit])[0].tolist()) or (UNKNOWN,)

    def _row(self, history: History) -> NDArray[np.float32]:
        """(V,) ln P of every token after a history."""
        if history not in self._rows:
            before = self._state(history[:-1]) if history else self._zero
            last = history[-1] if history else END
            row, state = self._next.after(last, before)
            _remember(self._rows, history, row, ROWS)
            _remember(self._states, history, state, STATES)
        self._rows.move_to_end(history)
        return self._rows[history]

    def _state(self, history: History) -> NDArray[np.float32]:
        """(1, S) state after a history, which may have been forgotten."""
        if history not in self._states:
            self._rows.pop(history, None)
            self._row(history)
        self._states.move_to_end(history)
        return self._states[history]


@dataclass(frozen=True)
class TextBeginning:
    """A language model that writes whole texts, whatever the sources are.

    A text begins as behind the end of another.

    Attributes:
        model: of the task "language_model".
    """

    model: Seq2Seq

    def start(
        self, memory: EncoderOutput, beams: int, length: int, reordered: bool = True
    ) -> DecoderState:
        """See `s2s_zoo.search.base.Stepping`; of `memory` the rows count."""
        lengths = ops.ones_like(ops.cast(memory.mask[:, 0], "int32"))
        before = {"source": END * lengths[:, None], "source_lengths": lengths}
        read = self.model.encode(before, training=False)
        return self.model.decoder.start(read, beams, length, reordered)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """(R, V) float32 logits of what follows `tokens` (R,), and the state after."""
        return self.model.decoder.step(tokens, state)


class NextDistribution(keras.Model):
    """What a language model gives after one more token, as one compiled step."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__(autocast=False)
        self.language_model = model

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        model = self.language_model
        memory = model.encode(inputs, training=False)
        state = model.decoder.start(memory, beams=1, length=1)
        token = ops.zeros((ops.shape(memory.mask)[0],), "int32")
        logits, _ = model.decoder.step(token, state)
        return ops.log_softmax(logits), packed_state(memory.state)

    def after(
        self, token: int, state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(V,) ln P of what follows `token`, and the state (1, S) after it."""
        inputs = {
            "source": np.array([[token]], np.int32),
            "source_lengths": np.ones(1, np.int32),
            "state": state,
        }
        row, after = self.predict_on_batch(inputs)
        return ops.convert_to_numpy(row)[0], ops.convert_to_numpy(after)


def knowing_its_model(search: Search) -> Search:
    """A search with the trained language model that its settings name, if they do.

    Raises:
        UserError: there is none.
    """
    if isinstance(search, CTCBeam) and search.lm and Path(search.lm).is_dir():
        return search.with_model(load_neural_language_model(Path(search.lm)))
    return search


def fused_with_its_model(search: TokenSearch, target: Tokenizer) -> TokenSearch:
    """A search in which the run of a language model that it names takes part.

    One that writes with another vocabulary than `target` does not: it chooses among
    the texts that the search ends with, which is logged.

    Raises:
        UserError: `lm` is the run of another task.
    """
    if not search.lm or not Path(search.lm).is_dir():
        return search
    model = load_neural_language_model(Path(search.lm))
    if model.tokenizer == target:
        return search.with_model(model.steps)
    _log.warning(
        "lm %s has another vocabulary than what is written, so it chooses among the "
        "texts that the search ends with instead of taking part in it",
        search.lm,
    )
    return search


def named_language_model(name: str) -> LanguageModel[Any]:
    """The language model of a run, or the n-gram model of a file.

    Raises:
        UserError: there is none.
    """
    path = Path(name)
    if path.is_dir():
        return load_neural_language_model(path)
    return read_language_model(path)


@lru_cache(maxsize=2)
def load_neural_language_model(path: Path) -> NeuralLanguageModel:
    """The language model of a run or a preset directory.

    Raises:
        UserError: there is none, or it is a model of another task.
    """
    model = Seq2Seq.from_preset(path, load_weights=True)
    tokens = getattr(model.task, "tokens", None)
    if model.task.name != "language_model" or tokens is None:
        raise UserError(
            f"Search: lm {path} is an n-gram model or the run of a language model. "
            f"Received: a run of {model.task.name}"
        )
    return NeuralLanguageModel(model, tokens)


def _remember(known: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    known[key] = value
    while len(known) > most:
        known.popitem(last=False)
