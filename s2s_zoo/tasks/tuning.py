"""Settings of a search that do best on held-out examples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from keras import ops

from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.search.base import Search
from s2s_zoo.tasks.base import Task
from s2s_zoo.tasks.evaluation import Outcome

HALVINGS = 2
Point = tuple[float, ...]


class Trial(NamedTuple):
    """A search that was tried.

    Attributes:
        search: its settings as text.
        value: the metric of the task.
    """

    search: str
    value: float


@dataclass(frozen=True)
class Tuning:
    """What was found.

    Attributes:
        search: settings as `--search` takes them.
        metric: of the task, by name.
        value: the metric with these settings.
        before: the metric with those it began with.
        examples: how many it was measured on.
        trials: all, in their order; the first is what it began with.
    """

    search: str
    metric: str
    value: float
    before: float
    examples: int
    trials: list[Trial]


def tune(
    task: Task,
    model: Seq2Seq,
    examples: Sequence[Any],
    budget: float,
    progress: Callable[[int], None],
    search: str = "",
) -> Tuning:
    """Find the settings that a search names as those to be tuned.

    What the model makes of the examples is computed once. The values that the search
    offers are tried with each other, then those beside the best one, at half and at a
    quarter of the distance, one setting after the other. Of equally good ones the
    first is kept.

    Args:
        task: of the model.
        model: trained.
        examples: held out, with references.
        budget: of a batch, in the units of the task.
        progress: gets the number of examples that the model is done with.
        search: changes of the task's search; what is tuned begins with its values.

    Raises:
        UserError: the search has nothing to tune.
    """
    begun = task.search.parse(search)
    offered = begun.tuned
    if not offered or model.searches:
        raise UserError(
            "There is nothing to tune: name a search with a language model, such as "
            f"--search lm=FILE. Received: {begun.signature}"
        )
    measure = _Measure(task, model, examples, begun, search)
    measure.score(budget, progress)
    start = tuple(float(getattr(begun, name)) for name in offered)
    best = _descend(measure, start, list(offered.values()))
    return Tuning(
        measure.text(best),
        task.metric,
        measure(best),
        measure(start),
        len(examples),
        [Trial(measure.text(p), value) for p, value in measure.found.items()],
    )


def _descend(measure: "_Measure", start: Point, values: list[Point]) -> Point:
    best = min((start, *product(*values)), key=measure.loss)
    steps = [value[1] - value[0] for value in values]
    for halving in range(1, HALVINGS + 1):
        for axis, step in enumerate(steps):
            for change in (-step / 2**halving, step / 2**halving):
                point = (*best[:axis], best[axis] + change, *best[axis + 1 :])
                if measure.accepts(point) and measure.loss(point) < measure.loss(best):
                    best = point
    return best


class _Measure:
    """The metric of a search by the values of what is tuned."""

    def __init__(
        self,
        task: Task,
        model: Seq2Seq,
        examples: Sequence[Any],
        search: Search,
        given: str,
    ) -> None:
        self.task, self.model, self.examples = task, model, examples
        self.search = search
        self.names = list(search.tuned)
        pairs = [pair.strip() for pair in given.split(",") if pair.strip()]
        keys = [pair.partition("=")[0].strip() for pair in pairs]
        self.given = [
            pair for pair, key in zip(pairs, keys, strict=True) if key not in self.names
        ]
        self.found: dict[Point, float] = {}
        self.scored: list[tuple[Sequence[int], Any]] = []

    def score(self, budget: float, progress: Callable[[int], None]) -> None:
        """Compute what is searched."""
        batches = self.task.batches(self.examples)
        for batch in batches.plan(budget, shuffle=False).epoch(0):
            scored = self.model.predict_on_batch(batches.load(batch)[0])
            arrays = {n: ops.convert_to_numpy(value) for n, value in scored.items()}
            self.scored.append((batch.indices, arrays))
            progress(len(batch.indices))

    def text(self, point: Point) -> str:
        values = zip(self.names, point, strict=True)
        return ",".join([*self.given, *(f"{name}={v:.12g}" for name, v in values)])

    def accepts(self, point: Point) -> bool:
        """Whether the search takes such values."""
        try:
            self._at(point)
        except UserError:
            return False
        return True

    def _at(self, point: Point) -> Search:
        return self.search.with_settings(dict(zip(self.names, point, strict=True)))

    def loss(self, point: Point) -> float:
        """Lower is better."""
        return -self(point) if self.task.higher_is_better else self(point)

    def __call__(self, point: Point) -> float:
        if point not in self.found:
            self.found[point] = self._value(self._at(point))
        return self.found[point]

    def _value(self, search: Search) -> float:
        runner = self.task.runner(self.model, search)
        outputs: dict[int, Any] = {}
        for indices, scored in self.scored:
            results = runner.read({}, scored)
            found = [result.output for result in results]
            outputs.update(zip(indices, found, strict=False))
        outcomes = [
            Outcome(example.name, self.task.reference(example), outputs[i])
            for i, example in enumerate(self.examples)
        ]
        return self.task.measures(outcomes)[self.task.metric].value
