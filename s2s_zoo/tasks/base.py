"""The contract of tasks: what workflows ask of each, whatever the family."""

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np

from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.plan import Batch, Plan
from s2s_zoo.errors import UserError
from s2s_zoo.losses.base import Objective, as_tensors
from s2s_zoo.metrics.bootstrap import Pooled, score_all
from s2s_zoo.metrics.breakdown import Breakdown
from s2s_zoo.metrics.significance import Difference, paired_tests
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.parts import describe_arguments
from s2s_zoo.search.base import Search
from s2s_zoo.tasks.course import Course
from s2s_zoo.tasks.evaluation import Evaluation, Outcome
from s2s_zoo.tasks.runner import Progress, Runner, unheard
from s2s_zoo.tasks.serving import Serving
from s2s_zoo.typing import Arrays, Tensor, Tensors

SEED = 12345
"""Of the examples that intervals and tests draw."""


class Unit(NamedTuple):
    """What batches are measured in.

    Attributes:
        name: in words, such as "seconds of audio".
        speed: key of the units per second in metrics.
        shown: of units per second, behind the number.
    """

    name: str
    speed: str
    shown: str


class Batches(Protocol):
    """Examples that can be planned and read in batches."""

    @property
    def unreadable(self) -> dict[str, str]:
        """Why examples met so far could not be read, by name."""

    def plan(self, budget: float, shuffle: bool) -> Plan:
        """Batches under a budget, in the units of the task."""

    def load(self, batch: Batch, epoch: int | None = None) -> tuple[Arrays, Arrays]:
        """Inputs and targets of a batch; augmented when `epoch` is given."""

    def units(self, inputs: Arrays) -> float:
        """How much there is in the inputs of a batch, padding left out."""

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
class Task(abc.ABC):
    """What a model is for: its data, objective, search and metrics.

    Attributes:
        name: registered name.
        unit: what budgets of batches are measured in.
        higher_is_better: which way its metric is read.
        evaluation_budget: of a batch that is only evaluated, in its units.
        kind: name of the kind of its examples.
        demo_corpus: corpus trained on when no data is named.
        objective: what training minimizes.
        search: how outputs are found.

    Example:
        >>> from s2s_zoo.tasks import SpeechToText
        >>> SpeechToText(alphabet=" abc", sample_rate=8000).offers(budget=60.0)
        {'features': {'sample_rate': 8000}, 'decoder': {'vocabulary_size': 4}}
    """

    name: ClassVar[str]
    unit: ClassVar[Unit]
    kind: ClassVar[str]
    higher_is_better: ClassVar[bool] = False
    evaluation_budget: ClassVar[float]

    demo_corpus: str
    objective: Objective
    search: Search

    @property
    @abc.abstractmethod
    def metric(self) -> str:
        """The metric that chooses the best model."""

    @abc.abstractmethod
    def offers(self, budget: float) -> dict[str, dict[str, Any]]:
        """What the task knows of constructors' arguments, by part of a model.

        A part takes those it has: {"decoder": {"vocabulary_size": 28}}.

        Args:
            budget: of a batch on all devices.
        """

    @property
    def shares_vocabulary(self) -> bool:
        """Whether source and target are made of the same tokens."""
        return False

    def settings(self) -> dict[str, Any]:
        """The attributes that are settings, as plain data."""
        return describe_arguments(self)

    def scaled_settings(self) -> dict[str, Any]:
        """Settings that make a tiny task of this kind, for tests."""
        return {}

    def fit(self, examples: Sequence[Any]) -> Self:
        """The task with what it learns from training examples before the model does."""
        del examples
        return self

    def started_from(
        self, assets: Mapping[str, bytes], examples: Sequence[Any]
    ) -> Self:
        """The task with what a model that training starts from had learned.

        Args:
            assets: of that model, which may be for another task.
            examples: to learn what is missing from.
        """
        del examples
        return self.with_assets(assets)

    def weighed(self, how: str) -> Self:
        """The task whose objective weighs classes of examples so, "none" for alike.

        Raises:
            UserError: it has no classes.
        """
        if how != "none":
            raise UserError(
                f"recipe.class_weight is none where there are no classes, as in "
                f"{self.name}. Received: {how}"
            )
        return self

    def assets(self) -> dict[str, bytes]:
        """Files beside the model that the task needs, by name."""
        return self.search.assets()

    def with_assets(self, assets: Mapping[str, bytes]) -> Self:
        """The task with the files that `assets` gave.

        Raises:
            UserError: a file is missing or is not what it should be.
        """
        return replace(self, search=self.search.with_assets(assets))

    def read(self, data: str, split: str) -> Sequence[Any]:
        """The examples of a split of a corpus by name or path; each has a `name`."""
        examples: Sequence[Any] = KINDS.get(self.kind).for_task(self).read(data, split)
        return examples

    @abc.abstractmethod
    def amount(self, examples: Sequence[Any]) -> str:
        """How much there is to learn from, in words."""

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
        del model, where, training
        return Selection(examples)

    @abc.abstractmethod
    def batches(
        self, examples: Sequence[Any], training: bool = False, seed: int = 0
    ) -> Batches:
        """Batches of examples, augmented when `training`."""

    @abc.abstractmethod
    def random_batch(self, budget: float) -> tuple[tuple[Arrays, Arrays], float]:
        """Noise to time steps with.

        Args:
            budget: of the batch, in the units of the task.

        Returns:
            Inputs and target, and the units they hold without padding.
        """

    @abc.abstractmethod
    def runner(self, model: Seq2Seq, search: Search) -> Runner:
        """What runs a model of this task on inputs and reads its outputs."""

    @abc.abstractmethod
    def as_example(self, raw: Any) -> Any:
        """A raw input as an example without a reference."""

    @abc.abstractmethod
    def reference(self, example: Any) -> Any:
        """What the output for an example should be."""

    @abc.abstractmethod
    def measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        """The metrics of outputs, by name."""

    def further_measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        """Metrics that take longer; trainings do not ask for them."""
        del outcomes
        return {}

    def breakdown(self, outcomes: Sequence[Outcome]) -> Breakdown:
        """What there is to say of outputs besides; trainings do not ask for it."""
        del outcomes
        return Breakdown()

    def columns(self, example: Any) -> Mapping[str, Any]:
        """What is known of an example, by column of its manifest."""
        columns: Mapping[str, Any] = getattr(example, "columns", {})
        return columns

    def signature(self, search: Search, outcomes: Sequence[Outcome]) -> str:
        """How the metrics of outputs that were searched for so are computed."""
        del outcomes
        return search.signature

    def remarks(self, batches: Batches) -> str:
        """What the signature says besides of the examples that were measured."""
        del batches
        return ""

    @property
    def validation_search(self) -> str:
        """Changes of the search while training, where speed counts more."""
        return ""

    def loss(self, target: Tensors, output: Tensors) -> Tensor:
        """Scalar loss of a batch."""
        return self.objective.mean(target, output)

    def evaluate(
        self,
        model: Seq2Seq,
        examples: Sequence[Any],
        budget: float,
        progress: Callable[[int], None],
        search: str = "",
    ) -> Evaluation:
        """Measure a model on examples, free-running, and its loss.

        What cannot be read counts as an empty output.

        Args:
            model: trained.
            examples: with references.
            budget: of a batch, in the units of the task.
            progress: gets the number done.
            search: changes of the search, such as "beam=8,length_penalty=1".
        """
        runner = self.runner(model, self.search.parse(search))
        loss = model.compiled_objective(self.objective)
        batches = self.batches(examples)
        outputs: dict[int, Any] = {}
        losses = []
        for batch in batches.plan(budget, shuffle=False).epoch(0):
            inputs, target = batches.load(batch)
            scored = model.predict_on_batch(inputs)
            weight = self.objective.weight(inputs, target)
            found = loss(as_tensors(target), as_tensors(scored))
            losses.append((float(found), weight))
            results = runner.read(inputs, scored)
            outputs.update(
                (i, result.output)
                for i, result in zip(batch.indices, results, strict=False)
            )
            progress(len(batch.indices))
        outcomes = [
            Outcome(example.name, self.reference(example), outputs[i])
            for i, example in enumerate(examples)
        ]
        signature = self.signature(runner.search, outcomes)
        return self._evaluated(outcomes, losses, signature, batches)

    def _evaluated(
        self,
        outcomes: list[Outcome],
        losses: list[tuple[float, float]],
        signature: str,
        batches: Batches,
    ) -> Evaluation:
        scores = score_all(self.measures(outcomes), signature, seed=SEED)
        total, weight = np.sum(losses, axis=0)
        metrics = {self.metric: scores.metrics[self.metric], **scores.metrics}
        return Evaluation(
            metrics | {"loss": float(total / (weight or 1.0))},
            scores.confidence,
            len(outcomes),
            scores.signature + self.remarks(batches),
            outcomes,
            batches.unreadable,
        )

    def measured_further(self, evaluation: Evaluation) -> Evaluation:
        """An evaluation with the metrics of `further_measures`."""
        further = self.further_measures(evaluation.outputs)
        if not further:
            return evaluation
        scores = score_all(further, evaluation.signature, seed=SEED)
        loss = {"loss": evaluation.metrics["loss"]}
        metrics = {**evaluation.metrics, **scores.metrics}
        del metrics["loss"]
        return replace(
            evaluation,
            metrics=metrics | loss,
            confidence={**evaluation.confidence, **scores.confidence},
        )

    def validate(
        self,
        model: Seq2Seq,
        examples: Sequence[Any],
        budget: float,
        progress: Callable[[int], None],
    ) -> Evaluation:
        """As `evaluate`, with the search of validations."""
        return self.evaluate(model, examples, budget, progress, self.validation_search)

    def paired_test(
        self, first: Evaluation, second: Evaluation
    ) -> dict[str, Difference]:
        """Whether two models differ on the same examples: second minus first."""
        one, other = self.measures(first.outputs), self.measures(second.outputs)
        return paired_tests(one, other, seed=SEED)

    def infer(
        self,
        model: Seq2Seq,
        inputs: Sequence[Any],
        search: str = "",
        progress: Progress = unheard,
    ) -> list[dict[str, Any]]:
        """Outputs of raw inputs in their order, with all there is to say about each.

        An input that cannot be read has an `error` in the place of its output.
        """
        runner = self.runner(model, self.search.parse(search))
        results = zip(
            inputs, replace(runner, progress=progress).run(inputs), strict=True
        )
        return [{"input": str(item), **result.described()} for item, result in results]

    def vocoded_by(self, vocoder: Seq2Seq | None) -> Callable[[Any], Any]:
        """What makes waveforms of outputs that are frames.

        Args:
            vocoder: a model of waveforms; None for what the task has.

        Raises:
            UserError: outputs are no frames, or of other settings than it reads.
        """
        del vocoder
        raise UserError(f"A model for {self.name} writes no frames for a vocoder")

    def score(self, model: Seq2Seq, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """How probable raw inputs are, with all there is to say about each.

        Raises:
            UserError: models of this task do not say.
        """
        raise UserError(f"A model for {self.name} gives its inputs no probability")

    def generate(
        self, model: Seq2Seq, inputs: Sequence[Any], **search: Any
    ) -> list[Any]:
        """Raw outputs of raw inputs, in their order.

        Raises:
            UserError: an input cannot be read, or the search takes no such setting.
        """
        if isinstance(inputs, (str, Path)):
            raise UserError(f"generate takes a list of inputs. Received: {inputs!r}")
        results = self.runner(model, self.search.with_settings(search)).run(inputs)
        for result in results:
            if result.error:
                raise UserError(result.error)
        return [result.output for result in results]

    def write(self, results: Sequence[Mapping[str, Any]], path: Path) -> None:
        """Write what `infer` found: an output a line, an empty one for an error."""
        text = "".join(f"{result.get('output', '')}\n" for result in results)
        path.write_text(text, encoding="utf-8")

    def picture(
        self, model: Seq2Seq, example: Any, path: Path, search: str = ""
    ) -> None:
        """Draw what the model makes of an example with that search, as PNG."""
        self.runner(model, self.search.parse(search)).draw(example, path)

    def draw_evaluation(self, evaluation: Evaluation, path: Path) -> None:
        """Draw what an evaluation shows, as PNG, for tasks that do."""
        del evaluation, path

    @property
    def draws_evaluations(self) -> bool:
        """Whether the task has a `draw_evaluation` of its own."""
        return type(self).draw_evaluation is not Task.draw_evaluation

    def concern(self, examples: Sequence[Any]) -> str:
        """What makes it hard to learn from `examples`, in words; here nothing.

        It is told before the first step.
        """
        del examples
        return ""

    def warnings(self, evaluation: Evaluation, course: Course) -> dict[str, str]:
        """What a validation in a training warns of, by cause; here nothing.

        Each cause is told once.

        Args:
            evaluation: of the held-out examples.
            course: of the training so far.
        """
        del evaluation, course
        return {}

    def illustrate(self, example: Any, outcome: Outcome, path: Path) -> None:
        """Leave what can be seen or heard of a validation in a training; here nothing.

        Args:
            example: the first that was held out.
            outcome: what the model made of it.
            path: of the files to write, without an ending.
        """
        del example, outcome, path

    def serving(self, model: Seq2Seq, examples: Sequence[Any] = ()) -> Serving:
        """The model from raw input to raw output, in one graph.

        Args:
            model: what to export.
            examples: as `read` gives them; the samples are taken from these where
                there are enough, and generated otherwise.

        Raises:
            UserError: models of this task cannot be exported.
        """
        return self.runner(model, self.search).serving(examples)


def task_of(model: Seq2Seq) -> Task:
    """The task of a model, which knows it as its `Purpose` alone."""
    assert isinstance(model.task, Task)
    return model.task
