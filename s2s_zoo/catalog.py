"""Presets and recipes: every number of a model and its training, as data."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Literal, Self, TypeVar

from s2s_zoo import distribution
from s2s_zoo.errors import UserError, check_range
from s2s_zoo.features.base import MAX_SEED
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.models.unallocated import unallocated
from s2s_zoo.optimizers.accumulation import GradientAccumulation
from s2s_zoo.optimizers.loss_scaling import (
    AutomaticLossScaleOptimizer,
    scaling_rule,
)
from s2s_zoo.optimizers.own_rates import own_rates
from s2s_zoo.parts import build, refusing, scaled
from s2s_zoo.precision import policies, uses_float16
from s2s_zoo.registry import PRESETS
from s2s_zoo.settings import (
    children,
    flatten,
    kinds,
    read_typed,
    replaced,
    split_cell,
    unknown_path,
    with_cell,
)
from s2s_zoo.tasks.base import Task


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a preset is trained.

    Attributes:
        optimizer: partial of a Keras optimizer, without its learning rate.
        schedule: partial of a learning-rate schedule over updates; a `decay_steps`
            left out becomes the number of steps of the training.
        epochs: passes over the data.
        batch: budget of a device's batch, padding included, in the units of the task:
            seconds of audio, tokens, images.
        devices: the first so many devices share a step.
        accumulate: batches of an update; the result is that of one large batch.
        max_steps: steps after which training ends, 0 for no limit.
        precision: dtype policy of the model, or of its parts as
            `s2s_zoo.precision.policies` reads it.
        loss_scaling: partial of the optimizer around it under mixed_float16.
        class_weight: "balanced" lets the classes of a classifier count alike, however
            many examples each has.
        checkpoint_every: steps between checkpoints of the training state.
        validate_every: steps between validations, 0 for once an epoch.
        keep_checkpoints: newest training states kept.
        average: at the end the mean weights of so many newest training states are
            validated too, and kept where they are better; 0 for never.
        patience: validations without improvement before training stops, 0 for never.
        seed: of weights, order, dropout and augmentation.

    Example:
        >>> from functools import partial
        >>> import keras
        >>> from s2s_zoo import Recipe
        >>> from s2s_zoo.optimizers import PolynomialDecay
        >>> schedule = partial(PolynomialDecay, initial_learning_rate=1e-3)
        >>> adam = partial(keras.optimizers.Adam, beta_2=0.98)
        >>> recipe = Recipe(optimizer=adam, schedule=schedule, epochs=3, batch=60.0)
        >>> recipe.precision, recipe.checkpoint_every
        ('float32', 500)
    """

    optimizer: partial[Any]
    schedule: partial[Any]
    epochs: int
    batch: float
    devices: int = 1
    accumulate: int = 1
    max_steps: int = 0
    precision: str = "float32"
    loss_scaling: partial[Any] = field(
        default_factory=lambda: partial(AutomaticLossScaleOptimizer)
    )
    class_weight: Literal["none", "balanced"] = "none"
    checkpoint_every: int = 500
    validate_every: int = 0
    keep_checkpoints: int = 3
    average: int = 0
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        policies(self.precision)
        try:
            scaling_rule(children(self.loss_scaling))
        except ValueError as error:
            raise UserError(f"recipe.loss_scaling: {error}") from error
        self._check_numbers()

    @property
    def follows_length(self) -> bool:
        """Whether the schedule decays over the whole training, however long that is."""
        return not self.schedule.keywords.get("decay_steps", 1)

    def rates(self, updates: int) -> Any:
        """The learning rate as a function of the updates of a training of so many.

        Raises:
            UserError: the schedule refuses a number.
        """
        settings = self.schedule.keywords
        held = max(settings.get("begin", 0), settings.get("warmup", 0))
        length = {"decay_steps": max(1, updates - held)} if self.follows_length else {}
        with refusing("recipe.schedule"):
            return self.schedule(**length)

    def _check_numbers(self) -> None:
        positive = ["epochs", "batch", "devices", "accumulate"]
        positive += ["checkpoint_every", "keep_checkpoints"]
        rates = {
            f"schedule.{key}": value
            for key, value in self.schedule.keywords.items()
            if key.endswith("learning_rate") and key.startswith("initial")
        }
        values = {name: getattr(self, name) for name in positive} | rates
        for name, value in values.items():
            if value <= 0:
                raise UserError(f"recipe.{name} is above 0. Received: {value}")
        for name in ("max_steps", "validate_every", "patience", "seed", "average"):
            if getattr(self, name) < 0:
                received = getattr(self, name)
                raise UserError(f"recipe.{name} is 0 or more. Received: {received}")
        with refusing("recipe"):
            check_range("seed", self.seed, 0, MAX_SEED)


TaskT = TypeVar("TaskT", bound=Task)


@dataclass(frozen=True, kw_only=True)
class Preset(Generic[TaskT]):
    """A model and its training, lazily: layers are made by `build`.

    Attributes:
        name: canonical name; starts with the stem of its file.
        summary: one line for the menu.
        paper: where the architecture was published.
        expect: what its training reached, and where.
        parameters: trainable parameters.
        task: what it is for.
        features: partial of the features layer.
        encoder: partial of the encoder.
        decoder: partial of the decoder, without its vocabulary size.
        augmentation: partial of SpecAugment, None for none.
        recipe: how it is trained.
        demo: settings by path, in force on the built-in demo corpus.
        lineage: names of the presets it was made from by `dataclasses.replace`, and
            its own.

    Example:
        >>> from s2s_zoo.registry import PRESETS
        >>> tiny = PRESETS.get("transformer-tiny")
        >>> preset = tiny.with_settings({"encoder.layers": 2})
        >>> preset.name, preset.settings()["encoder.layers"], preset.varies
        ('transformer_tiny', 2, 'transformer_base')
        >>> small = PRESETS.get("lstm-ctc-small").build(encoder={"rnn_units": 4})
        >>> type(small.encoder).__name__, small.count_params()
        ('DeepSpeech2Encoder', 17869)
    """

    name: str
    summary: str
    paper: str
    expect: str
    parameters: int
    task: TaskT
    features: partial[Any]
    encoder: partial[Any]
    decoder: partial[Any]
    recipe: Recipe
    augmentation: partial[Any] | None = None
    demo: Mapping[str, Any] = field(default_factory=dict)
    lineage: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.lineage[-1:] != (self.name,):
            object.__setattr__(self, "lineage", (*self.lineage, self.name))

    @property
    def varies(self) -> str | None:
        """Name of the preset that this one was made from, None where there is none."""
        return self.lineage[-2] if len(self.lineage) > 1 else None

    def build(
        self, load_weights: bool | None = None, **overrides: dict[str, Any]
    ) -> Seq2Seq:
        """Make the model under its precision, with fresh weights.

        Args:
            load_weights: True is refused: a named preset has no weights.
            overrides: settings of one part each, `encoder={"rnn_units": 256}`.
        """
        if load_weights:
            raise UserError(f"The preset {self.name} comes without weights: train it")
        settings = {
            f"{part}.{key}": value
            for part, values in overrides.items()
            for key, value in values.items()
        }
        return self.with_settings(settings)._build() if settings else self._build()

    def count_parameters(self) -> int:
        """Trainable parameters of the model it builds, without making room for them.

        Example:
            >>> from s2s_zoo.registry import PRESETS
            >>> preset = PRESETS.get("quartznet_5x3")
            >>> preset.count_parameters() == preset.parameters
            True
            >>> wide = preset.with_settings({"encoder.channels.7": 2048})
            >>> wide.count_parameters() - preset.parameters
            556032
        """
        return unallocated(
            lambda: sum(math.prod(v.shape) for v in self.build().trainable_variables)
        )

    def check(self) -> None:
        """Raise a UserError where the parts do not fit each other."""
        if self.settings().get("decoder.tie_source") and not (
            self.task.shares_vocabulary
        ):
            raise UserError(
                "decoder.tie_source makes one table of source and target, whose "
                "tokenizers are two: set decoder.tie_source=false, or have one "
                "tokenizer for both sides"
            )

    def _build(self) -> Seq2Seq:
        self.check()
        policy = policies(self.recipe.precision)
        offered = self.task.offers(self.recipe.batch * self.recipe.devices)
        made = {
            name: build(part, self._offered(name, offered, policy), name)
            for name, part in self.parts().items()
        }
        model = Seq2Seq(self.task, **made, name=self.name)
        with refusing(self.name):
            model.build()
        return model

    def compile(self, model: Seq2Seq, updates: int) -> None:
        """Give a model the optimizer and the schedule of the recipe.

        Args:
            model: built.
            updates: of the whole training; a schedule without `decay_steps` takes as
                many.

        Raises:
            UserError: the optimizer or the schedule refuses a number.
        """
        recipe = self.recipe
        rates = recipe.rates(updates)
        with refusing("recipe.optimizer"):
            optimizer = recipe.optimizer(learning_rate=rates)
            optimizer = own_rates(optimizer, model)
        if recipe.accumulate > 1:
            optimizer = GradientAccumulation(optimizer, recipe.accumulate)
        if uses_float16(recipe.precision):
            optimizer = recipe.loss_scaling(optimizer)
        optimizer.build(model.trainable_variables)
        if distribution.replicated():
            distribution.sum_gradients_first(optimizer)
        model.compile(optimizer=optimizer, auto_scale_loss=False)

    def parts(self) -> dict[str, partial[Any]]:
        """The partials of the model's parts by name, those there are."""
        every = {name: getattr(self, name) for name in Seq2Seq.PARTS}
        return {name: part for name, part in every.items() if part is not None}

    @staticmethod
    def _offered(
        name: str, offered: Mapping[str, Mapping[str, Any]], policy: Mapping[str, str]
    ) -> dict[str, Any]:
        dtype = {"dtype": policy[name]} if name in policy else {}
        return {**offered.get(name, {}), **dtype}

    def settings(self) -> dict[str, Any]:
        """Every number by its path, such as `encoder.rnn_layers`."""
        return flatten({n: getattr(self, n) for n in SETTABLE})

    def kinds(self) -> dict[str, str]:
        """What is set at each node of these paths, such as `recipe.optimizer`: Adam."""
        return kinds({n: getattr(self, n) for n in SETTABLE})

    def with_settings(self, settings: Mapping[str, Any]) -> Self:
        """A copy with the values at these paths; `path.N` is place N of a column.

        Raises:
            UserError: no such path (the message lists close ones), or a value of
                another type.
        """
        preset = self
        for path, value in settings.items():
            known = preset.settings()
            column, place = split_cell(path, known)
            if column not in known:
                raise UserError(unknown_path(path, list(known)))
            if place is None:
                value = read_typed(value, known[path])
            else:
                value = with_cell(known[column], place, value, path)
            preset = replaced(preset, column.split("."), value, path)
        return preset

    def scaled(self) -> Self:
        """The same kinds of layers, fewer and narrow, for tests."""
        sizes = {name: scaled(part) for name, part in self.parts().items()}
        sizes["task"] = self.task.scaled_settings()
        return self.with_settings(
            {
                f"{part}.{n}": v
                for part, found in sizes.items()
                for n, v in found.items()
            }
        )


SETTABLE = ("task", *Seq2Seq.PARTS, "recipe")


def register_preset(preset: Preset[TaskT]) -> Preset[TaskT]:
    """Make a preset known by its name.

    Example:
        >>> from dataclasses import replace
        >>> from s2s_zoo import list_presets, register_preset
        >>> from s2s_zoo.registry import PRESETS
        >>> tiny = PRESETS.get("transformer-tiny")
        >>> mine = register_preset(replace(tiny, name="my_transformer", summary="mine"))
        >>> mine.varies, "my_transformer" in list_presets()
        ('transformer_tiny', True)
    """
    caller = sys._getframe(1)
    return PRESETS.register(preset.name, preset, origin=caller.f_code.co_filename)


def list_presets() -> list[str]:
    """Names of all presets.

    Example:
        >>> from s2s_zoo import list_presets
        >>> [name for name in list_presets() if name.startswith("gnmt")]
        ['gnmt', 'gnmt_tied']
    """
    return PRESETS.names()
