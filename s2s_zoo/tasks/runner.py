"""What puts a model to use: raw inputs in, raw outputs out."""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.search.base import Hypothesis, Search
from s2s_zoo.tasks.serving import Serving
from s2s_zoo.typing import Arrays, Tensors

Progress = Callable[[float], None]
"""Told how many inputs more are done, and of a long one which share."""


@dataclass(frozen=True)
class Result:
    """What a model made of an input.

    Attributes:
        output: text, a waveform, a label.
        details: what there is to say besides, as JSON values by name.
        error: why the input could not be read; empty where it could.

    Example:
        >>> from s2s_zoo.tasks import Result
        >>> Result("stop", {"words": []}).described()
        {'output': 'stop', 'words': []}
        >>> Result("", error="a.wav: no audio").described()
        {'error': 'a.wav: no audio'}
    """

    output: Any
    details: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    def described(self) -> dict[str, Any]:
        """The output and its details by name, or the error."""
        if self.error:
            return {"error": self.error}
        return {"output": self.output, **self.details}


def unheard(done: float) -> None:
    """A progress that nobody hears of."""
    del done


@dataclass(frozen=True)
class Runner(abc.ABC):
    """A model with a way to search.

    Attributes:
        model: trained.
        search: how outputs are found.
        progress: hears how far `run` is.

    Example:
        >>> from s2s_zoo import Seq2Seq
        >>> from s2s_zoo.search import Hypothesis
        >>> model = Seq2Seq.from_preset("lstm-ctc-small", encoder={"rnn_units": 4})
        >>> runner = model.task.runner(model, model.task.search)
        >>> found = Hypothesis(model.task.encode("stop"), score=-0.5)
        >>> runner.result([found]).output
        'stop'
    """

    model: Seq2Seq
    search: Search
    progress: Progress = field(default=unheard, kw_only=True, repr=False, compare=False)

    def read(self, inputs: Arrays, scored: Tensors) -> list[Result]:
        """The results of a batch, one a row.

        Args:
            inputs: of the batch, as the task's batches give them.
            scored: what the model gave for them; read where it does not search.
        """
        found = self.searched(inputs) if self.model.searches else scored
        return [self.result(hypotheses) for hypotheses in self.hypotheses(found)]

    def hypotheses(self, found: Arrays) -> list[list[Hypothesis]]:
        """The outputs of each source, best first."""
        return self.search.read(found)

    def searched(self, inputs: Arrays) -> Tensors:
        """What the search writes for the inputs of a batch; a target is not read."""
        self.model.search_with(self.search)
        free = {name: value for name, value in inputs.items() if name != "target"}
        return self.model.predict_on_batch(self.prompted(free))

    def prompted(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The inputs of a search, with what outputs begin with."""
        return inputs

    @abc.abstractmethod
    def result(self, hypotheses: list[Hypothesis]) -> Result:
        """What the hypotheses of a source stand for, which may be none."""

    @abc.abstractmethod
    def run(self, inputs: Sequence[Any]) -> list[Result]:
        """The results of raw inputs, in their order."""

    @abc.abstractmethod
    def draw(self, example: Any, path: Path) -> None:
        """Draw what the model makes of an example, as PNG."""

    def serving(self, examples: Sequence[Any]) -> Serving:
        """The model as a graph; see `Task.serving`."""
        kind = type(self.model.task).__name__
        raise UserError(f"A model for {kind} cannot be exported")
