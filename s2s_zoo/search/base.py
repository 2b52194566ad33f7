"""The contract of searches: how outputs are found, as plain values."""

import abc
import dataclasses
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.errors import UserError
from s2s_zoo.parts import PlainPart, load_parts
from s2s_zoo.search.loop import Loop
from s2s_zoo.typing import Arrays, DecoderState, EncoderOutput, Tensor, Tensors


class Stepping(Protocol):
    """A decoder that goes step by step: what a search that runs freely needs.

    Step by step it gives what it gives with a target.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import DecoderState
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> from s2s_zoo.search import TokenSearch
        >>> from s2s_zoo.search.loop import while_loop
        >>> class Counting:  # writes 4, 5, 6 and the end token 1
        ...     def start(self, memory, beams, length, reordered=True):
        ...         return DecoderState((), (), ops.array(0))
        ...     def step(self, written, state):
        ...         after = ops.where(written == 6, 1, ops.maximum(written + 1, 4))
        ...         return 9.0 * ops.one_hot(after, 7), state
        >>> memory = EncoderOutput(ops.ones((1, 5, 4)), ops.ones((1, 5), "bool"))
        >>> search = TokenSearch(beam=1)
        >>> found = search.write(Counting(), memory, {}, while_loop)
        >>> search.read(found)[0][0].tokens.tolist()
        [4, 5, 6]
    """

    def start(
        self, memory: EncoderOutput, beams: int, length: int, reordered: bool = True
    ) -> DecoderState:
        """The state before the first of at most `length` steps."""

    def step(self, written: Tensor, state: DecoderState) -> tuple[Any, DecoderState]:
        """Read what was written last; what follows from it, and the state after."""


class Hypothesis(NamedTuple):
    """One output of a search.

    Attributes:
        tokens: (U,) ids, or (U, D) frames, without padding and end.
        score: what it is chosen by; higher is better.
        finished: whether it ended by itself; False where it became too long.
        spans: (U, 2) first memory frame of each token and one past its last, where
            the search knows.
        log_probabilities: (U,) natural logarithms of their probabilities, likewise.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.search import Hypothesis
        >>> found = Hypothesis(tokens=np.array([7, 4]), score=-0.5)
        >>> found.finished, found.spans
        (True, None)
    """

    tokens: NDArray[Any]
    score: float
    finished: bool = True
    spans: NDArray[np.int32] | None = None
    log_probabilities: NDArray[np.float32] | None = None


class Reading(Protocol):
    """What reads outputs: a search, or one that has been told the symbols."""

    def read(self, output: Arrays) -> list[list[Hypothesis]]:
        """As `Search.read`."""


class Accepted(NamedTuple):
    """The values that a setting takes: a test, and the same in words."""

    holds: Callable[[Any], bool]
    words: str


def integer(default: int | None, low: int, optional: bool = False) -> Any:
    """A field for integers from `low`, and for none where it is optional."""

    def holds(value: Any) -> bool:
        return type(value) is int and low <= value < 2**31

    return _field(default, holds, f"an integer from {low}", optional)


def number(
    default: float,
    holds: Callable[[float], bool],
    words: str,
    optional: bool = False,
) -> Any:
    """A field for finite numbers that hold, and for none where it is optional."""

    def holds_as_number(value: Any) -> bool:
        is_number = type(value) in (int, float) and math.isfinite(value)
        return is_number and holds(value)

    return _field(default, holds_as_number, f"a number {words}", optional)


def truth(default: bool) -> Any:
    """A field for true and false."""
    return _field(default, lambda value: type(value) is bool, "true or false")


def text(default: str) -> Any:
    """A field for text."""
    return _field(default, lambda value: isinstance(value, str), "text")


def choice(default: str, accepted: Collection[str]) -> Any:
    """A field for one of some words."""
    words = f"one of {', '.join(accepted)}"
    return _field(default, lambda value: value in accepted, words)


def _field(
    default: Any, holds: Callable[[Any], bool], words: str, optional: bool = False
) -> Any:
    accepted = Accepted(holds, words)
    if optional:
        accepted = Accepted(lambda v: v is None or holds(v), f"{words}, or none")
    return dataclasses.field(default=default, metadata={"accepts": accepted})


@dataclass(frozen=True)
class Search(PlainPart, abc.ABC):
    """A way to search, one of a family of those that read the same outputs.

    Attributes:
        family: what is searched, such as "tokens" or "ctc"; searches of one family
            take each other's place where a setting asks for it.

    Raises:
        UserError: a value out of range, or two that exclude each other.

    Example:
        >>> from s2s_zoo.search import TokenSearch
        >>> search = TokenSearch().parse("beam=8,length_penalty=1")
        >>> search.beam, search.with_settings({"n_best": 3}).n_best, search.signature
        (8, 3, 'beam:8|penalty:1|patience:1.0')
    """

    family: ClassVar[str]

    def __post_init__(self) -> None:
        for field in _settings(self):
            accepted, value = field.metadata["accepts"], getattr(self, field.name)
            if not accepted.holds(value):
                raise UserError(
                    f"Search: {field.name} is {accepted.words}. Received: {value!r}"
                )

    @property
    @abc.abstractmethod
    def signature(self) -> str:
        """What decides which output is found, as metrics state it."""

    @property
    def tuned(self) -> dict[str, tuple[float, ...]]:
        """Settings to be found on held-out data, with values to try, evenly apart."""
        return {}

    def write(
        self, decoder: Any, memory: EncoderOutput, inputs: Tensors, loop: Loop
    ) -> Tensors:
        """Outputs of B sources, in the graph; of decoders that read their target.

        Args:
            decoder: `Stepping`.
            memory: of the sources.
            inputs: of the batch: what the search may need besides.
            loop: what it runs in.
        """
        kind = type(decoder).__name__
        raise ValueError(f"{type(self).__name__} searches no {kind}")

    @abc.abstractmethod
    def read(self, output: Arrays) -> list[list[Hypothesis]]:
        """The outputs of each source, best first, on the host.

        Args:
            output: what `write` gave, or the decoder of a model that does not search.
        """

    def over(self, symbols: Sequence[str]) -> "Reading":
        """What reads outputs over these symbols, for a search that has to know them.

        Args:
            symbols: text of each token.

        Raises:
            UserError: the search does not fit them, or a file of it cannot be read.
        """
        del symbols
        return self

    def assets(self) -> dict[str, bytes]:
        """The files that the search reads, by name, to be stored beside a model.

        Raises:
            UserError: a file cannot be read.
        """
        return {}

    def with_assets(self, assets: Mapping[str, bytes]) -> Self:
        """The search with those of its files that were stored."""
        del assets
        return self

    @property
    def files(self) -> dict[str, str]:
        """Names under which the files of settings are stored, by the setting."""
        return {}

    @property
    def line(self) -> str:
        """What `parse` makes this search of, files by the names they are stored under.

        Example:
            >>> from s2s_zoo.search import TokenSearch
            >>> TokenSearch(beam=8, n_best=2).line
            'beam=8,n_best=2'
        """
        changed = {
            field.name: getattr(self, field.name)
            for field in _settings(self)
            if getattr(self, field.name) != field.default
            and field.name not in self.files
        }
        return ",".join(f"{n}={v}" for n, v in (changed | self.files).items())

    def parse(self, settings: str) -> "Search":
        """This search with what "beam=8,length_penalty=1.0" changes.

        Args:
            settings: `key=value` pairs with commas between them; may be empty.

        Raises:
            UserError: no pairs, an unknown or repeated key, or a value out of range.
        """
        found: dict[str, Any] = {}
        for pair in settings.split(",") if settings.strip() else []:
            key, equals, value = (part.strip() for part in pair.partition("="))
            if not equals or key in found:
                raise UserError(
                    "Search: key=value pairs with commas between them, each key once, "
                    f"such as beam=8,length_penalty=1.0. Received: {settings}"
                )
            found[key] = value
        chosen = self._taking(found)
        types = {field.name: field.type for field in _settings(chosen)}
        return chosen.with_settings(
            {k: v if types[k] is str else _value(v) for k, v in found.items()}
        )

    def with_settings(self, settings: Mapping[str, Any]) -> "Search":
        """This search, or another of its family, with some values replaced.

        Raises:
            UserError: an unknown key or a value out of range.
        """
        return dataclasses.replace(self._taking(settings), **settings)

    def _taking(self, settings: Mapping[str, Any]) -> "Search":
        """The first of the family with all these keys, this one before others."""
        known: dict[str, None] = {}
        for search in (self, *_others(self)):
            keys = [field.name for field in _settings(search)]
            if set(settings) <= set(keys):
                return search
            known |= dict.fromkeys(keys)
        unknown = [key for key in settings if key not in known] or list(settings)
        raise UserError(
            f"Search: the keys are {', '.join(known) or 'none'}. "
            f"Received: {', '.join(unknown)}"
        )


def _settings(search: Search) -> list[dataclasses.Field[Any]]:
    """The fields that are settings."""
    every = dataclasses.fields(search)
    return [field for field in every if field.metadata.get("setting", True)]


def _others(search: Search) -> list[Search]:
    """The other searches of its family, those of other packages too."""
    load_parts()
    others = [cls for cls in Search.__subclasses__() if cls is not type(search)]
    return [cls() for cls in others if cls.family == search.family]


def _value(words: str) -> int | float | bool | str | None:
    """The value that a text spells; the text where it spells none."""
    named = {"none": None, "true": True, "false": False}
    if words.lower() in named:
        return named[words.lower()]
    for kind in (int, float):
        try:
            return kind(words)
        except ValueError:
            continue
    return words
