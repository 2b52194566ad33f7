"""The contract of tasks: what workflows ask of each, whatever the family."""

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from numpy.typing import NDArray

from s2s_zoo.data.plan import Batch, BatchPlan
from s2s_zoo.metrics.significance import Difference
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.typing import Tensor

Arrays = dict[str, NDArray[Any]]


class Batches(Protocol):
    """Examples that can be planned and read in batches."""

    @property
    def unit_rate(self) -> float:
        """Source units per second."""

    @property
    def unreadable(self) -> dict[str, str]:
        """Why examples met so far could not be read, by name."""

    def plan(self, budget: float, buckets: int, shuffle: bool) -> BatchPlan:
        """Batches under a budget, in the units of the task."""

    def load(self, batch: Batch, epoch: int | None = None) -> tuple[Arrays, Arrays]:
        """Inputs and targets of a batch; augmented when `epoch` is given."""

    def names(self, batch: Batch) -> list[str]:
        """What messages call the examples of a batch."""


@dataclass(frozen=True)
class Selection:
    """The examples that can be used, and why the others cannot.

    Attributes:
        usable: examples to train or evaluate on.
        dropped: names of the others by reason.
    """

    usable: Sequence[Any]
    dropped: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """How well a model does.

    Attributes:
        metrics: value by name; the task's own metric and the loss among them.
        confidence: 95 % interval of a metric by name.
        examples: how many were evaluated.
        signature: how the metrics were computed.
        outputs: (name, reference, output) of each example.
        unreadable: why examples could not be read, by name; their output is empty.
    """

    metrics: dict[str, float]
    confidence: dict[str, tuple[float, float]]
    examples: int
    signature: str
    outputs: list[tuple[str, str, str]]
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Task(abc.ABC):
    """What a model is for: its data, loss, metrics and raw output.

    Attributes:
        name: registered name.
        higher_is_better: which way that metric is read.
        evaluation_budget: of a batch that is only evaluated, in the task's units.
        speed: name and unit of source units per second, as shown.
        demo_corpus: corpus trained on when no data is named.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool] = False
    evaluation_budget: ClassVar[float]
    speed: ClassVar[tuple[str, str]]

    demo_corpus: str

    @property
    @abc.abstractmethod
    def metric(self) -> str:
        """The metric that chooses the best model."""

    @classmethod
    @abc.abstractmethod
    def from_settings(cls, settings: dict[str, Any]) -> Self:
        """The task with these attributes, as `dataclasses.asdict` gives them."""

    @property
    @abc.abstractmethod
    def vocabulary_size(self) -> int:
        """V, the size of the target vocabulary."""

    @property
    def shares_vocabulary(self) -> bool:
        """Whether source and target are made of the same tokens."""
        return False

    @property
    def source_arguments(self) -> dict[str, Any]:
        """What the task knows of the arguments of the features layer."""
        return {}

    def settings(self) -> dict[str, Any]:
        """The attributes that are settings, as plain values."""
        kept = [f.name for f in fields(self) if f.metadata.get("setting", True)]
        return {name: _plain(getattr(self, name)) for name in kept}

    def fit(self, examples: Sequence[Any]) -> Self:
        """The task with what it learns from training examples before the model does."""
        del examples
        return self

    def assets(self) -> dict[str, bytes]:
        """Files beside the model that the task needs, by name."""
        return {}

    def with_assets(self, assets: Mapping[str, bytes]) -> Self:
        """The task with the files that `assets` gave.

        Raises:
            UserError: a file is missing or is not what it should be.
        """
        del assets
        return self

    @abc.abstractmethod
    def read(self, data: str, split: str) -> Sequence[Any]:
        """The examples of a split of a corpus by name or path."""

    @abc.abstractmethod
    def amount(self, examples: Sequence[Any]) -> str:
        """How much there is to learn from, in words."""

    @abc.abstractmethod
    def select(
        self,
        model: Seq2Seq,
        examples: Sequence[Any],
        where: str,
        training: bool = True,
    ) -> Selection:
        """Set aside the examples that cannot be learned from, or measured.

        Args:
            model: what is to learn from them.
            examples: as `read` gives them.
            where: what messages call the examples.
            training: False keeps examples of any length.
        """

    @abc.abstractmethod
    def batches(
        self, examples: Sequence[Any], training: bool = False, seed: int = 0
    ) -> Batches:
        """Batches of examples, augmented when `training`."""

    @abc.abstractmethod
    def loss(self, target: dict[str, Tensor], output: dict[str, Tensor]) -> Tensor:
        """Scalar loss of a batch."""

    @abc.abstractmethod
    def random_batch(self, budget: float) -> tuple[tuple[Arrays, Arrays], float]:
        """Noise to time steps with.

        Args:
            budget: of the batch, in the units of the task.

        Returns:
            Inputs and target, and the units they hold without padding.
        """

    @abc.abstractmethod
    def weight(self, inputs: Arrays, target: Arrays) -> float:
        """What the loss of a batch is the mean over: its examples, tokens or frames."""

    @abc.abstractmethod
    def evaluate(
        self,
        model: Seq2Seq,
        examples: Sequence[Any],
        budget: float,
        progress: Callable[[int], None],
        search: str = "",
    ) -> Evaluation:
        """Measure a model on examples, free-running.

        Args:
            model: trained.
            examples: with references.
            budget: of a batch, in the units of the task.
            progress: gets the number done.
            search: changes of the search, such as "beam=8,length_penalty=1".
        """

    def validate(
        self,
        model: Seq2Seq,
        examples: Sequence[Any],
        budget: float,
        progress: Callable[[int], None],
    ) -> Evaluation:
        """As `evaluate`, where speed counts more than the last bit of quality."""
        return self.evaluate(model, examples, budget, progress)

    @abc.abstractmethod
    def paired_test(
        self, first: Evaluation, second: Evaluation
    ) -> dict[str, Difference]:
        """Whether two models differ on the same examples: second minus first."""

    @abc.abstractmethod
    def infer(
        self, model: Seq2Seq, inputs: Sequence[Any], search: str = ""
    ) -> list[dict[str, Any]]:
        """Raw outputs of raw inputs, with all there is to say about each."""

    @abc.abstractmethod
    def as_example(self, raw: Any) -> Any:
        """A raw input as an example without a reference."""

    @abc.abstractmethod
    def generate(
        self, model: Seq2Seq, inputs: Sequence[Any], **search: Any
    ) -> list[Any]:
        """Raw outputs of raw inputs, in their order."""

    @abc.abstractmethod
    def picture(
        self, model: Seq2Seq, example: Any, path: Path, search: str = ""
    ) -> None:
        """Draw what the model makes of an example with that search, as PNG."""


def _plain(value: Any) -> Any:
    """A dataclass as a dictionary, anything else as it is."""
    nested = is_dataclass(value) and not isinstance(value, type)
    return asdict(value) if nested else value
