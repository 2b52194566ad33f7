"""Beams through the output of a CTC decoder, with what is known of its texts."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.errors import UserError
from s2s_zoo.ngrams.base import LanguageModel
from s2s_zoo.search import ctc_flashlight
from s2s_zoo.search.base import (
    Hypothesis,
    Search,
    choice,
    integer,
    number,
    text,
)
from s2s_zoo.search.ctc_alignment import align
from s2s_zoo.search.language_model import UNITS, of_characters, read_language_model
from s2s_zoo.search.prefix_beam import prefix_beam_search
from s2s_zoo.search.prefixes import Found, Pruning
from s2s_zoo.search.text_scores import SPACE, TextScores
from s2s_zoo.typing import Arrays

FILES = ("lm", "lexicon")
ASSETS = "assets"
DEFAULTS = ("beam", "n_best", *FILES, "alpha", "beta")
"""What a signature states by itself, or need not."""


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class CTCBeam(Search):
    """The texts whose alignments, added up, and other merits score best.

    A text scores ln P(text | audio) + `alpha` · ln P(text) by the language model +
    `beta` · its number of words, or of characters for a model of these, + the weights
    of its hot words. Words are parted by spaces.

    Hannun et al., "First-pass large vocabulary continuous speech recognition using
    bi-directional recurrent DNNs" (2014); see `prefix_beam_search`. It runs in
    flashlight-text where that is installed and finds the same; see `ctc_flashlight`.

    Attributes:
        beam: pairs followed side by side, of a text so far and of whether it has
            ended in a blank.
        lm: file of an n-gram model, ARPA or KenLM, or the run of a language model;
            empty for none.
        alpha: weight of the model.
        beta: worth of each word, or character.
        unit: of the model: "words", "characters", or "auto" to look into it.
        lexicon: file with a word a line, the only ones written; empty for any. What
            follows a word on its line is not read.
        hot_words: words with what each of them adds, `anna:3+berlin:1.5`.
        n_best: texts given for each utterance.
        token_threshold: characters less likely than this, in natural logarithms, are
            not tried in a frame, except for the likeliest.
        beam_threshold: what scores by more below the best is dropped.
        model: what `lm` names, where it is no file; see `with_model`.

    Raises:
        UserError: a value out of range, or two that exclude each other.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.search import CTCBeam
        >>> probabilities = [[0.4, 0.6], [0.4, 0.6]]  # of one token, and of the blank
        >>> logits = np.log([probabilities])
        >>> output = {"ctc_logits": logits, "mask": np.ones((1, 2), bool)}
        >>> [[best, other]] = CTCBeam(beam=8, n_best=2).read(output)
        >>> best.tokens.tolist(), round(float(np.exp(best.score)), 2)
        ([0], 0.64)
        >>> other.tokens.tolist(), round(float(np.exp(other.score)), 2)
        ([], 0.36)
    """

    family: ClassVar[str] = "ctc"

    beam: int = integer(64, 1)
    lm: str = text("")
    alpha: float = number(0.5, lambda value: value >= 0, "from 0")
    beta: float = number(0.0, math.isfinite, "of any sign")
    unit: str = choice("auto", UNITS)
    lexicon: str = text("")
    hot_words: str = text("")
    n_best: int = integer(1, 1)
    token_threshold: float = number(-8.0, lambda value: value <= 0, "up to 0")
    beam_threshold: float = number(16.0, lambda value: value > 0, "above 0")
    stored: Mapping[str, bytes] = field(
        default_factory=dict,
        repr=False,
        compare=False,
        metadata={"setting": False},
    )
    model: LanguageModel[Any] | None = field(
        default=None, repr=False, compare=False, metadata={"setting": False}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weights()
        if self.n_best > self.beam:
            raise UserError(
                "Search: n_best is at most beam. Received: "
                f"n_best={self.n_best}, beam={self.beam}"
            )

    @property
    def signature(self) -> str:
        """What decides which text is found, as metrics state it."""
        parts = {"ctc": f"beam{self.beam}"}
        for name, stored in self.files.items():
            parts[name] = stored.removeprefix(f"{name}-")
        if self.lm:
            parts["alpha"] = f"{self.alpha:g}"
        if self.beta:
            parts["beta"] = f"{self.beta:g}"
        for setting in dataclasses.fields(self):
            value = getattr(self, setting.name)
            is_default = value == setting.default
            if setting.compare and setting.name not in DEFAULTS and not is_default:
                parts[setting.name] = str(value)
        return "|".join(f"{name}:{value}" for name, value in parts.items())

    @property
    def tuned(self) -> dict[str, tuple[float, ...]]:
        """The weights of a language model."""
        values = {"alpha": (0.0, 0.5, 1.0, 1.5, 2.0), "beta": (0.0, 1.0, 2.0)}
        return values if self.lm else {}

    def weights(self) -> dict[str, float]:
        """The hot words.

        Raises:
            UserError: the setting is not of its form.
        """
        found: dict[str, float] = {}
        for part in self.hot_words.split("+") if self.hot_words else []:
            word, _, weight = part.strip().rpartition(":")
            value = _weight(weight)
            if not word or SPACE in word or word in found or value is None:
                raise UserError(
                    "Search: hot_words are words and what each adds, once, such as "
                    f"anna:3+berlin:1.5. Received: {self.hot_words}"
                )
            found[word] = value
        return found

    def read(self, output: Arrays) -> list[list[Hypothesis]]:
        """The texts of each utterance, where no symbols have to be known.

        Raises:
            UserError: a language model, a lexicon or words that are worth something.
        """
        return self.over(()).read(output)

    def over(self, symbols: Sequence[str]) -> "CTCReading":
        if not symbols and (self.lm or self.lexicon or self.hot_words or self.beta):
            raise UserError(
                "Search: lm, lexicon, hot_words and beta are of texts, and the "
                f"alphabet is not known. Received: {self.signature}"
            )
        with self._model() as model:
            scores = self._scores(symbols, model)
            engine = ctc_flashlight.decoder(scores, model, self.pruning, self.n_best)
        return CTCReading(self, scores, engine)

    def with_model(self, model: LanguageModel[Any]) -> Self:
        """The search with a language model that is no file."""
        return replace(self, model=model)

    @property
    def pruning(self) -> Pruning:
        """What is followed."""
        return Pruning(self.beam, self.beam_threshold)

    def _scores(self, symbols: Sequence[str], path: Path | None) -> TextScores:
        model, characters = self.model, False
        if path is not None:
            model = read_language_model(path)
        if model is not None:
            characters = of_characters(model, self.unit, "".join(symbols), self.lm)
        hot_words, alphabet = self.weights(), set("".join(symbols))
        strange = [word for word in hot_words if not set(word) <= alphabet]
        if strange:
            raise UserError(
                f"Search: hot_words are written in the alphabet {''.join(symbols)!r}. "
                f"Received: {strange[0]}"
            )
        lexicon = self._lexicon(alphabet) if self.lexicon else None
        return TextScores(
            symbols, model, characters, self.alpha, self.beta, lexicon, hot_words
        )

    def _lexicon(self, alphabet: set[str]) -> frozenset[str]:
        content = self._content("lexicon").decode("utf-8", "replace")
        words = {line.split()[0] for line in content.splitlines() if line.strip()}
        found = frozenset(word for word in words if set(word) <= alphabet)
        if not found:
            raise UserError(
                "Search: lexicon is a UTF-8 file with a word a line, in the alphabet "
                f"{''.join(sorted(alphabet))!r}. Received: {self.lexicon}, with none"
            )
        return found

    def assets(self) -> dict[str, bytes]:
        """The language model and the lexicon."""
        return {name: self._content(key) for key, name in self.files.items()}

    def with_assets(self, assets: Mapping[str, bytes]) -> Self:
        """The search with the files that `assets` gave in the place of its own."""
        found = {key: name for key, name in self.files.items() if name in assets}
        names: dict[str, Any] = {k: f"{ASSETS}/{name}" for k, name in found.items()}
        stored = {names[key]: assets[name] for key, name in found.items()}
        return replace(self, **names, stored=stored)

    @property
    def files(self) -> dict[str, str]:
        return {
            key: f"{key}-{Path(getattr(self, key)).name.removeprefix(f'{key}-')}"
            for key in FILES
            if getattr(self, key)
        }

    def _content(self, key: str) -> bytes:
        """The file that a setting names."""
        name = getattr(self, key)
        if name in self.stored:
            return self.stored[name]
        try:
            return Path(name).read_bytes()
        except OSError as error:
            raise UserError(f"Search: {key} {name}: {error.strerror}") from error

    @contextmanager
    def _model(self) -> Iterator[Path | None]:
        """The file of the language model, a stored one for as long as this lasts."""
        if self.lm not in self.stored:
            yield Path(self.lm) if self.lm and self.model is None else None
            return
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            path = Path(folder, Path(self.lm).name)
            path.write_bytes(self.stored[self.lm])
            yield path


@dataclass(frozen=True)
class CTCReading:
    """A beam search that knows the texts of the tokens.

    Attributes:
        search: its settings.
        scores: of texts.
        engine: what finds the same in its place; None for none.
    """

    search: CTCBeam
    scores: TextScores
    engine: ctc_flashlight.Engine | None

    def read(self, output: Arrays) -> list[list[Hypothesis]]:
        """The texts of each utterance, best first, their tokens with their frames."""
        logits = ops.cast(output["ctc_logits"], "float32")
        emissions = np.array(ops.convert_to_numpy(ops.log_softmax(logits)))
        mask = ops.convert_to_numpy(output["mask"])
        lengths = (mask * np.arange(1, mask.shape[1] + 1)).max(axis=1, initial=0)
        silence = np.append(np.full(emissions.shape[-1] - 1, -np.inf), 0.0)
        emissions[~mask] = silence
        tried = self._tried(emissions)
        if self.engine is not None:
            found = self.engine(tried, lengths)
        else:
            pruning, n_best = self.search.pruning, self.search.n_best
            found = prefix_beam_search(tried, lengths, self.scores, pruning, n_best)
        return [
            [_hypothesis(text, scores[:length]) for text in texts]
            for texts, scores, length in zip(found, emissions, lengths, strict=True)
        ]

    def _tried(self, emissions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Minus infinity in the place of what is too unlikely; never for blanks."""
        tried = emissions >= self.search.token_threshold
        tried |= emissions == emissions.max(axis=-1, keepdims=True)
        tried[..., -1] = True
        return np.where(tried, emissions, np.float32(-np.inf))


def _hypothesis(found: Found, emissions: NDArray[np.float32]) -> Hypothesis:
    tokens = np.array(found.tokens, np.int32)
    spans, means = align(emissions, tokens)
    return Hypothesis(tokens, found.score, found.finished, spans, means)


def _weight(words: str) -> float | None:
    try:
        return float(words) if math.isfinite(float(words)) else None
    except ValueError:
        return None
