"""How text is searched for, as plain values."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from keras import ops

from s2s_zoo.errors import UserError
from s2s_zoo.typing import Tensor
from s2s_zoo.vocabulary import PAD, START, UNKNOWN


@dataclass(frozen=True)
class Search:
    """Beam search, greedy search (`beam` 1) or sampling (`temperature` above 0).

    Attributes:
        beam: hypotheses followed side by side; not read when sampling.
        length_penalty: α of Wu et al., 2016, section 7: scores are log-probabilities
            over ((5 + length) / 6)^α. 0 prefers short texts, 1 nearly none.
        patience: a source is done when this many times `beam` of its texts have ended
            (Kasai et al., 2022), None to search on while anything can be gained.
        n_best: texts given for each source, samples when sampling.
        temperature: logits are divided by it before a token is drawn; 0 draws none.
        top_k: draw from that many of the likeliest tokens; 0 for all.
        top_p: draw from the fewest likeliest tokens that hold this probability
            (Holtzman et al., 2020).
        min_length: tokens written at least, as far as the longest allowed reach.
        max_length: tokens written at most, None for no more than the next two say.
        length_factor: tokens allowed for each token of the source.
        length_extra: tokens allowed on top.
        unknown: whether the token of unknown text may be written.
        prefix: text that every output begins with.
        seed: of the draw.

    Raises:
        UserError: a value out of range, or two that exclude each other.
    """

    beam: int = 4
    length_penalty: float = 0.6
    patience: float | None = 1.0
    n_best: int = 1
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_length: int = 0
    max_length: int | None = None
    length_factor: float = 1.0
    length_extra: int = 50
    unknown: bool = True
    prefix: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        for key, (holds, accepted) in _ACCEPTED.items():
            value = getattr(self, key)
            if not holds(value):
                raise UserError(f"Search: {key} is {accepted}. Received: {value!r}")
        least, most = self.min_length, self.max_length or math.inf
        for holds_together, rule, keys in (
            (self.samples or self.top_k == 0, _HOT.format("top_k"), ("top_k", _T)),
            (self.samples or self.top_p == 1, _HOT.format("top_p"), ("top_p", _T)),
            (self.samples or self.n_best <= self.beam, _WIDE, ("n_best", "beam")),
            (least <= most, _MINIMUM, ("min_length", "max_length")),
        ):
            if not holds_together:
                received = ", ".join(f"{key}={getattr(self, key)}" for key in keys)
                raise UserError(f"Search: {rule}. Received: {received}")

    @property
    def samples(self) -> bool:
        """Whether tokens are drawn."""
        return self.temperature > 0

    @property
    def signature(self) -> str:
        """What decides which text is found, as metrics state it."""
        parts: dict[str, Any] = {"beam": self.beam, "penalty": self.length_penalty}
        if self.beam > 1:
            parts["patience"] = self.patience
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in _STATED and value != field.default:
                parts[field.name] = value
        return "|".join(f"{name}:{value}" for name, value in parts.items())

    @property
    def rows(self) -> int:
        """K, the rows a decoder writes for each source."""
        return self.n_best if self.samples else self.beam

    @property
    def forbidden(self) -> tuple[int, ...]:
        """Tokens never written."""
        return (PAD, START) if self.unknown else (PAD, START, UNKNOWN)

    @classmethod
    def parse(cls, text: str, defaults: Self | None = None) -> Self:
        """The search that "beam=8,length_penalty=1.0" describes.

        Args:
            text: `key=value` pairs with commas between them; may be empty.
            defaults: the search of what is not named.

        Raises:
            UserError: no pairs, an unknown or repeated key, or a value out of range.
        """
        settings: dict[str, Any] = {}
        for pair in text.split(",") if text.strip() else []:
            key, equals, value = (part.strip() for part in pair.partition("="))
            if not equals or key in settings:
                raise UserError(
                    "Search: key=value pairs with commas between them, each key once, "
                    f"such as beam=8,length_penalty=1.0. Received: {text}"
                )
            settings[key] = value if key == "prefix" else _value(value)
        return (defaults or cls()).with_settings(settings)

    def with_settings(self, settings: Mapping[str, Any]) -> Self:
        """This search with some values replaced.

        Raises:
            UserError: an unknown key or a value out of range.
        """
        for key in settings:
            if key not in _ACCEPTED:
                raise UserError(
                    f"Search: the keys are {', '.join(_ACCEPTED)}. Received: {key}"
                )
        return dataclasses.replace(self, **settings)

    def longest(self, source_lengths: Tensor) -> Tensor:
        """(B,) int32 most tokens for sources of `source_lengths` (B,) int32 tokens.

        An empty source has an empty text.
        """
        allowed = ops.round(ops.cast(source_lengths, "float32") * self.length_factor)
        longest = ops.cast(allowed, "int32") + self.length_extra
        longest = ops.where(source_lengths > 0, longest, 0)
        if self.max_length is None:
            return longest
        return ops.minimum(longest, self.max_length)

    def size(self, source_size: Tensor | int) -> Tensor | int:
        """Room for the text of every source of at most `source_size` tokens.

        A tensor where the size is one, as in a TensorFlow graph of any shape.
        """
        if isinstance(source_size, int):
            room = math.ceil(source_size * self.length_factor) + self.length_extra
            most = room if self.max_length is None else self.max_length
            return max(1, min(room, most))
        length = ops.ceil(ops.cast(source_size, "float32") * self.length_factor)
        room = ops.maximum(1, ops.cast(length, "int32") + self.length_extra)
        return room if self.max_length is None else ops.minimum(room, self.max_length)


_MINIMUM = "min_length is at most max_length"
_WIDE = "n_best is at most beam"
_HOT = "{} needs a temperature above 0"
_T = "temperature"
_STATED = ("beam", "length_penalty", "patience", "n_best")


def _integer(low: int) -> tuple[Callable[[Any], bool], str]:
    return (
        lambda value: type(value) is int and low <= value < 2**31,
        f"an integer from {low}",
    )


def _number(holds: Callable[[float], bool], accepted: str) -> Any:
    return (
        lambda value: (
            type(value) in (int, float) and math.isfinite(value) and holds(value)
        ),
        f"a number {accepted}",
    )


_ACCEPTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "beam": _integer(1),
    "length_penalty": _number(lambda value: value >= 0, "from 0"),
    "patience": (
        lambda value: value is None or _number(lambda v: v > 0, "")[0](value),
        "a number above 0, or none",
    ),
    "n_best": _integer(1),
    "temperature": _number(lambda value: value >= 0, "from 0"),
    "top_k": _integer(0),
    "top_p": _number(lambda value: 0 < value <= 1, "above 0, 1 at most"),
    "min_length": _integer(0),
    "max_length": (
        lambda value: value is None or _integer(1)[0](value),
        "an integer from 1, or none",
    ),
    "length_factor": _number(lambda value: value >= 0, "from 0"),
    "length_extra": _integer(0),
    "unknown": (lambda value: type(value) is bool, "true or false"),
    "prefix": (lambda value: isinstance(value, str), "text"),
    "seed": _integer(0),
}


def _value(text: str) -> int | float | bool | str | None:
    """The value that `text` spells; the text where it spells none."""
    words = {"none": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
