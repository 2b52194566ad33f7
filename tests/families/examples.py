"""What the throw-away families share: generated examples, and their batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from s2s_zoo.catalog import Recipe
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.kinds.base import Kind, Match
from s2s_zoo.data.padding import pad
from s2s_zoo.data.plan import Batch, BatchPlan
from s2s_zoo.data.report import Report
from s2s_zoo.errors import UserError
from s2s_zoo.optimizers.schedules import Constant
from s2s_zoo.tasks.base import Task, Unit
from s2s_zoo.tasks.runner import Result, Runner
from s2s_zoo.tasks.serving import Input, Serving

SIZES = {"train": 256, "validation": 64, "test": 64}


@dataclass(frozen=True, eq=False)
class Example:
    """A source and its target, as arrays."""

    name: str
    source: np.ndarray
    target: np.ndarray

    def __eq__(self, other: object) -> bool:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return all(np.array_equal(one, two) for one, two in pairs)


@dataclass(frozen=True)
class Generated(Kind[list[Example]]):
    """Examples that nobody stores: there are only corpora of them."""

    name: ClassVar[str] = "arrays"
    prefix: ClassVar[str] = "arrays"
    preset: ClassVar[str] = "images"
    accepted: ClassVar[str] = "corpora alone"

    def match(self, files: Sequence[Path]) -> Match:
        return Match.NONE

    def part(self, directory: Path, stem: str) -> None:
        return None

    def lone(self, path: Path) -> None:
        return None

    def join(self, parts: list[list[Example]]) -> list[Example]:
        return list(chain.from_iterable(parts))

    def take(self, examples: list[Example], rows: np.ndarray) -> list[Example]:
        return [examples[row] for row in rows]

    def check(self, data: str, preset: Any, progress: Any = None) -> Report:
        raise UserError("There is nothing to check")


@dataclass(frozen=True, kw_only=True)
class GeneratedCorpus(Corpus):
    """Examples drawn by a function of random numbers; each split has its own."""

    make: Callable[[np.random.Generator], Any]
    summary: str = "made up"
    licence: str = "none"
    languages: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("train", "validation", "test")
    kind: str = "arrays"
    made_locally: bool = True

    def found_in(self, directory: Path) -> bool:
        return False

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        return Path()

    def read(self, split: str, directory: Path) -> list[Example]:
        rng = np.random.default_rng(list(split.encode()))
        count = SIZES[split]
        return [Example(f"{split}:{i}", *self.make(rng)) for i in range(count)]


@dataclass(frozen=True)
class ArrayBatches:
    """Padded batches of examples; teacher forcing where `forced`."""

    examples: Sequence[Example]
    fill: float = 0
    forced: bool = False
    seed: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)

    def plan(self, budget: float, shuffle: bool) -> BatchPlan:
        sizes = [len(example.source) for example in self.examples]
        targets = [len(example.target) for example in self.examples]
        return BatchPlan(sizes, targets, int(budget), 1, self.seed, shuffle)

    def load(self, batch: Batch, epoch: int | None = None) -> tuple[Any, Any]:
        rows, bucket = [self.examples[i] for i in batch.indices], batch.bucket
        sources, targets = [row.source for row in rows], [row.target for row in rows]
        source, lengths = pad(sources, bucket.rows, bucket.size, 0)
        target, sizes = pad(targets, bucket.rows, bucket.target_size, self.fill)
        inputs = {"source": source, "source_lengths": lengths}
        forced = {"target": target, "target_lengths": sizes} if self.forced else {}
        return inputs | forced, {"target": target, "target_lengths": sizes}

    def units(self, inputs: Any) -> float:
        return float(inputs["source_lengths"].sum())

    def names(self, batch: Batch) -> list[str]:
        return [self.examples[i].name for i in batch.indices]


@dataclass(frozen=True)
class ArrayTask(Task):
    """The common half of tasks whose examples are arrays in memory."""

    kind: ClassVar[str] = "arrays"
    unit: ClassVar[Unit] = Unit("entries", "entries_per_second", " entries/s")
    evaluation_budget: ClassVar[float] = 640.0

    def amount(self, examples: Sequence[Any]) -> str:
        return f"{len(examples)} examples"

    def batches(self, examples: Sequence[Any], training: bool = False, seed: int = 0):
        return ArrayBatches(examples, seed=seed)

    def random_batch(self, budget: float):
        batches = self.batches(self.read(self.demo_corpus, "train"))
        batch = batches.plan(budget, shuffle=False).epoch(0)[0]
        inputs, target = batches.load(batch)
        return (inputs, target), batches.units(inputs)

    def as_example(self, raw: Any) -> Example:
        source = np.load(raw) if isinstance(raw, (str, Path)) else raw
        return Example(str(raw), source, np.zeros(1, "int32"))

    def reference(self, example: Example) -> Any:
        return example.target


@dataclass(frozen=True)
class ArrayRunner(Runner):
    """Runs sources given as arrays or as .npy files, one by one."""

    task: ArrayTask

    def run(self, inputs: Sequence[Any]) -> list[Result]:
        return [self._run_one(item) for item in inputs]

    def _run_one(self, item: Any) -> Result:
        inputs = self.padded([self.task.as_example(item).source])
        scored = {} if self.model.searches else self.model.predict_on_batch(inputs)
        return self.read(inputs, scored)[0]

    def padded(self, sources: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        source, lengths = pad(sources, len(sources), max(map(len, sources)), 0)
        return {"source": source, "source_lengths": lengths}

    def draw(self, example: Example, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"no picture")

    def signature(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self.model.search_with(self.search)
        return dict(self.model(inputs, training=False))

    def serving(self, examples: Sequence[Example]) -> Serving:
        examples = examples or self.task.read(self.task.demo_corpus, "test")
        samples = [example.source for example in examples[:3]]
        shape = (None, None, *samples[0].shape[1:])
        return Serving(
            model=self.model,
            inputs={
                "source": Input(shape, str(samples[0].dtype)),
                "source_lengths": Input((None,), "int32"),
            },
            signatures={"serve": self.signature},
            pieces=(),
            samples=samples,
            batch=self.padded,
            description={"task": self.task.name},
        )


def recipe(batch: float, epochs: int, rate: float = 1e-2, **settings: Any) -> Recipe:
    return Recipe(
        optimizer=partial(keras.optimizers.Adam),
        schedule=partial(Constant, initial_learning_rate=rate),
        batch=batch,
        epochs=epochs,
        validate_every=60,
        **settings,
    )
