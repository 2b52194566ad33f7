"""Presets and recipes: every number of a model and its training, as data."""

import dataclasses
import difflib
import inspect
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from s2s_zoo.errors import UserError
from s2s_zoo.layers.base import ZooLayer, constructor_parameters
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.optimizers.loss_scaling import (
    AutomaticLossScaleOptimizer,
    scaling_rule,
)
from s2s_zoo.precision import policies
from s2s_zoo.registry import PRESETS

HIDDEN = {"self", "name", "kwargs", "args", "learning_rate"}
"""Arguments that are no settings; a recipe's learning rate is its schedule's."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a preset is trained.

    Attributes:
        optimizer: partial of a Keras optimizer, without its learning rate.
        schedule: partial of a learning-rate schedule over updates; a `decay_steps`
            left out becomes the number of steps of the training.
        epochs: passes over the data.
        batch_seconds: budget of a device's batch in seconds of padded audio.
        batch_tokens: budget of a device's batch in padded tokens, where text is read.
        devices: the first so many devices share a step.
        accumulate: batches of an update; the result is that of one large batch.
        max_steps: steps after which training ends, 0 for no limit.
        precision: dtype policy of the model, or of its parts as
            `s2s_zoo.precision.policies` reads it.
        loss_scaling: partial of the optimizer around it under mixed_float16.
        checkpoint_every: steps between checkpoints of the training state.
        validate_every: steps between validations, 0 for once an epoch.
        keep_checkpoints: newest training states kept.
        average: at the end the mean weights of so many newest training states are
            validated too, and kept where they are better; 0 for never.
        patience: validations without improvement before training stops, 0 for never.
        seed: of weights, order, dropout and augmentation.
    """

    optimizer: partial[Any]
    schedule: partial[Any]
    epochs: int
    batch_seconds: float = 0.0
    batch_tokens: int = 0
    devices: int = 1
    accumulate: int = 1
    max_steps: int = 0
    precision: str = "float32"
    loss_scaling: partial[Any] = field(
        default_factory=lambda: partial(AutomaticLossScaleOptimizer)
    )
    checkpoint_every: int = 500
    validate_every: int = 0
    keep_checkpoints: int = 3
    average: int = 0
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        policies(self.precision)
        try:
            scaling_rule(_children(self.loss_scaling))
        except ValueError as error:
            raise UserError(f"recipe.loss_scaling: {error}") from error
        self._check_numbers()

    @property
    def budget(self) -> float:
        """Of a device's batch, in the units of the task: seconds or tokens."""
        return self.batch_seconds or float(self.batch_tokens)

    def _check_numbers(self) -> None:
        budgets = (self.batch_seconds, self.batch_tokens)
        if min(budgets) < 0 or sum(budget > 0 for budget in budgets) != 1:
            raise UserError(
                "One of recipe.batch_seconds and recipe.batch_tokens is above 0, the "
                f"other is 0. Received: {budgets[0]} and {budgets[1]}"
            )
        positive = ["epochs", "devices", "accumulate"]
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


@dataclass(frozen=True, kw_only=True)
class Preset:
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
    """

    name: str
    summary: str
    paper: str
    expect: str
    parameters: int
    task: Any
    features: partial[Any]
    encoder: partial[Any]
    decoder: partial[Any]
    recipe: Recipe
    augmentation: partial[Any] | None = None
    demo: Mapping[str, Any] = field(default_factory=dict)

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
        model = Seq2Seq(
            self.task,
            self.features(**self.task.source_arguments),
            self.encoder(dtype=policy["encoder"]),
            self.decoder(
                vocabulary_size=self.task.vocabulary_size, dtype=policy["decoder"]
            ),
            self.augmentation() if self.augmentation else None,
            name=self.name,
        )
        model.build()
        return model

    def settings(self) -> dict[str, Any]:
        """Every number by its path, such as `encoder.rnn_layers`."""
        return _flatten({n: getattr(self, n) for n in SETTABLE})

    def with_settings(self, settings: Mapping[str, Any]) -> Self:
        """A copy with the values at these paths.

        Raises:
            UserError: no such path (the message lists close ones), or a value of
                another type.
        """
        known = self.settings()
        preset = self
        for path, value in settings.items():
            if path not in known:
                raise UserError(_unknown_path(path, list(known)))
            value = _like(known[path], value, path)
            preset = _replace(preset, path.split("."), value)
        return preset

    def scaled(self) -> Self:
        """The same kinds of layers, fewer and narrow, for tests."""
        settings: dict[str, Any] = {}
        for part in (self.features, self.encoder, self.decoder):
            layer: Any = part.func
            settings |= layer.scaled_settings(part)
        return self.with_settings(settings)


SETTABLE = ("task", "features", "augmentation", "encoder", "decoder", "recipe")


def register_preset(preset: Preset) -> Preset:
    """Make a preset known by its name."""
    caller = sys._getframe(1)
    return PRESETS.register(preset.name, preset, origin=caller.f_code.co_filename)


def list_presets() -> list[str]:
    """Names of all presets."""
    return PRESETS.names()


_SHOWN = {str(value): value for value in (True, False, None)}


def parse_setting(text: str) -> tuple[str, Any]:
    """`path=value` as typed on the command line: JSON, True, False, None, or text.

    Raises:
        UserError: there is no `=`.
    """
    path, found, value = text.partition("=")
    if not found:
        raise UserError(f"--set takes PATH=VALUE. Received: {text}")
    path, value = path.strip().replace("-", "_"), value.strip()
    if value in _SHOWN:
        return path, _SHOWN[value]
    try:
        return path, json.loads(value)
    except json.JSONDecodeError:
        return path, value


def _children(node: Any) -> dict[str, Any]:
    """What a node of the settings tree holds under which name."""
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        fields = dataclasses.fields(node)
        kept = [f.name for f in fields if f.metadata.get("setting", True)]
        return {name: getattr(node, name) for name in kept}
    if isinstance(node, partial):
        defaults = {n: p.default for n, p in _parameters(node.func).items()}
        return {
            name: value
            for name, value in {**defaults, **node.keywords}.items()
            if value is not inspect.Parameter.empty
        }
    return node if isinstance(node, dict) else {}


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    if inspect.isclass(function) and issubclass(function, ZooLayer):
        return constructor_parameters(function)
    parameters = dict(inspect.signature(function).parameters)
    return {n: p for n, p in parameters.items() if n not in HIDDEN}


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, node in tree.items():
        children = _children(node)
        if children:
            flat.update(_flatten(children, f"{prefix}{name}."))
        else:
            flat[prefix + name] = node
    return flat


def _replace(node: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    new = _replace(_children(node)[path[0]], path[1:], value)
    if isinstance(node, partial):
        return partial(node.func, *node.args, **{**node.keywords, path[0]: new})
    return dataclasses.replace(node, **{path[0]: new})


def _like(current: Any, value: Any, path: str) -> Any:
    """`value` in the type of `current`."""
    if isinstance(current, float) and type(value) is int:
        return float(value)
    if isinstance(current, (list, tuple)) and isinstance(value, (list, tuple)):
        return _tuples(value)
    if current is None or (
        isinstance(value, type(current))
        and (isinstance(value, bool) == isinstance(current, bool))
    ):
        return value
    kind = type(current).__name__
    raise UserError(f"{path} is of type {kind}, like {current!r}. Received: {value!r}")


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value


def _unknown_path(path: str, known: list[str]) -> str:
    close = difflib.get_close_matches(path, known, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"No setting {path!r}.{hint} All: {', '.join(known)}"
