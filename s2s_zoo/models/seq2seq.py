"""Features, encoder and decoder as one Keras model."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import keras

from s2s_zoo import distribution
from s2s_zoo.compilation import CompiledLoop
from s2s_zoo.decoders.base import Decoder
from s2s_zoo.encoders.base import Encoder
from s2s_zoo.features.base import Augmentation, Features
from s2s_zoo.layers.base import ZooLayer, given
from s2s_zoo.losses.base import Objective
from s2s_zoo.models.assets import read_assets, write_assets
from s2s_zoo.models.saving import (
    assemble,
    describe_model,
    load_preset,
    make_task,
    save_preset,
)
from s2s_zoo.registry import PRESETS
from s2s_zoo.search.base import Search
from s2s_zoo.search.loop import Loop, while_loop
from s2s_zoo.tracing import compiled, traced_once
from s2s_zoo.typing import EncoderOutput, Tensor, Tensors


class Purpose(Protocol):
    """What a model asks of its task."""

    name: ClassVar[str]

    @property
    def objective(self) -> Objective:
        """What training minimizes."""

    @property
    def search(self) -> Search:
        """How outputs are searched for unless asked otherwise."""

    def generate(self, model: Any, inputs: Sequence[Any], **search: Any) -> list[Any]:
        """Raw outputs of raw inputs."""

    def settings(self) -> dict[str, Any]:
        """The attributes as plain data."""

    def assets(self) -> Mapping[str, bytes]:
        """Files beside the model, by name."""

    def with_assets(self, assets: Mapping[str, bytes]) -> Self:
        """The same with the files that `assets` gave."""


@keras.saving.register_keras_serializable("s2s_zoo")
class Seq2Seq(keras.Model):
    """A sequence-to-sequence model: *source → features → encoder → decoder*.

    Args:
        task: a `s2s_zoo.tasks.base.Task`: the objective, and raw inputs to raw outputs.
        features: from the raw signal to what the encoder reads.
        encoder: from features to memory.
        decoder: from memory to scores of the target, or the target itself.
        augmentation: distorts features in training, None for none.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo import Seq2Seq
        >>> model = Seq2Seq.from_preset("lstm-ctc-small", encoder={"rnn_units": 4})
        >>> lengths = ops.array([8000, 6000])
        >>> output = model({"source": ops.ones((2, 8000)), "source_lengths": lengths})
        >>> ops.shape(output["ctc_logits"]), ops.shape(output["mask"])
        ((2, 51, 29), (2, 51))
    """

    train_function: Any
    PARTS: ClassVar[dict[str, type[ZooLayer]]] = {
        "features": Features,
        "augmentation": Augmentation,
        "encoder": Encoder,
        "decoder": Decoder,
    }

    def __init__(
        self,
        task: Any,
        features: Features,
        encoder: Encoder,
        decoder: Decoder,
        augmentation: Augmentation | None = None,
        name: str = "seq2seq",
    ) -> None:
        super().__init__(name=name, autocast=False)
        self.task: Purpose = task
        self.features = features
        self.encoder = encoder
        self.decoder = decoder
        self.augmentation = augmentation
        self.search: Search = task.search
        self.loop: Loop = while_loop
        self._rank = 0
        self._objectives: dict[Objective, Callable[..., Tensor]] = {}

    @property
    def searches(self) -> bool:
        """Whether it has to search for a target that it is not given."""
        return self.decoder.reads_target

    def search_with(self, search: Search) -> None:
        """Search so from now on where there is no target."""
        if search != self.search:
            self.search = search
            self.predict_function = None

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """As of Keras, but what compiles steps is up to the backend that runs.

        XLA is what JAX does by itself; `torch.compile` takes minutes and is asked for.
        """
        super().compile_from_config({**config, "jit_compile": "auto"})

    def compile_search(self) -> None:
        """Compile searches for each shape of batch: with XLA, with `torch.compile`.

        It is worth its seconds where many batches have the same shape. JAX always
        does; on TensorFlow it sets the `jit_compile` of the model. Without a search
        there is nothing to compile.

        Raises:
            UserError: PyTorch finds no C++ compiler.
        """
        if not self.searches:
            return
        if keras.backend.backend() == "torch":
            self.loop = CompiledLoop()
        else:
            self.jit_compile = True
            self.predict_function = None

    def build(self, input_shape: Any = None) -> None:
        source = self.features.source_shape
        self.features.build(source, source[:1])
        self._share_embedding()
        self.decoder.follow(self.features, self.encoder)
        shape = self.features.feature_shape(source)
        if self.augmentation is not None:
            self.augmentation.build(shape)
        self.encoder.build(shape)
        encoded = self.encoder.compute_output_shape(shape)
        state = self.encoder.state_shape
        self.decoder.build(EncoderOutput(encoded, encoded[:-1], state))
        self.built = True

    def _share_embedding(self) -> None:
        if not self.decoder.tie_source:
            return
        if self.features.table is None:
            kind = type(self.features).__name__
            raise ValueError(f"tie_source needs TokenFeatures. Received: {kind}")
        self.decoder.share(self.features.table)

    def call(self, inputs: Tensors, training: bool | None = None) -> Tensors:
        """Score a batch, or search where the decoder reads a target and has none.

        Args:
            inputs: `source`, (B, S) waveforms, (B, T) int32 tokens or (B, T, D)
                precomputed features; `source_lengths` (B,) int32 in samples, tokens
                or frames; `target` (B, U, ...) for a decoder that reads it; and
                whatever else parts read, by the names of their arguments.

        Returns:
            What the decoder gives, such as `logits`, and the `mask` (B, T) of the
            memory; or what the search wrote, such as the fields of
            `s2s_zoo.search.result.SearchResult`.
        """
        memory = self.encode(inputs, training=training)
        if self.searches and "target" not in inputs:
            return self.search.write(self.decoder, memory, inputs, self.loop)
        found = self.decoder(
            inputs.get("target"),
            memory,
            training=training,
            **given(self.decoder, inputs),
        )
        return {**found, "mask": memory.mask}

    def encode(self, inputs: Tensors, training: bool | None = None) -> EncoderOutput:
        """The memory of `inputs`, as `call` takes them."""
        x, mask = self.features(
            inputs["source"],
            inputs["source_lengths"],
            training=training,
            **given(self.features, inputs),
        )
        if self.augmentation is not None:
            x = self.augmentation(x, mask, training=training)
        others = given(self.encoder, inputs)
        return self.encoder(x, mask, training=training, **others)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """The mean of the task's objective plus the penalties on weights.

        Args:
            x: inputs.
            y: target.
            y_pred: what `call` returned.
            sample_weight: share of the batch that a replica has, a scalar; None for
                equal shares. The losses of all replicas add up to that of the batch.
            training: as Keras hands it in.
        """
        loss = self.task.objective.mean(y, y_pred)
        for penalty in self.losses:
            loss = loss + keras.ops.cast(penalty, "float32")
        if sample_weight is None and distribution.replicated():
            sample_weight = 1.0 / distribution.replicas(self)
        return loss if sample_weight is None else loss * sample_weight

    def compiled_objective(self, objective: Objective) -> Callable[..., Tensor]:
        """An objective as one graph for what this model gives."""
        if objective not in self._objectives:
            self._objectives[objective] = compiled(objective)
        return self._objectives[objective]

    def make_train_function(self, force: bool = False) -> None:
        """As of Keras, but on one device TensorFlow traces a step once for all shapes.

        XLA compiles for each shape anyway.
        """
        made: Any = self.train_function
        super().make_train_function(force)
        if self.train_function is made or keras.backend.backend() != "tensorflow":
            return
        as_graph = not (self.run_eagerly or self.jit_compile)
        if as_graph and distribution.replicas(self) == 1:
            shape = self.features.source_shape
            self.train_function = traced_once(
                self.train_step, self.train_function, shape
            )

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Take a step on arrays (B, ...), each device on its part of the rows."""
        if distribution.replicas(self) > 1:
            x, y = distribution.dealt(self, (x, y))
            weight = self.task.objective.weight
            sample_weight = distribution.shares(self, weight, x, y)
        return super().train_on_batch(x, y, sample_weight, class_weight, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """What `call` returns for arrays (B, ...), without training.

        Waveforms and features computed before have functions of their own: one traced
        for both knows no rank.
        """
        if self._rank != (rank := x["source"].ndim):
            self._rank, self.predict_function = rank, None
        if distribution.replicas(self) == 1:
            return super().predict_on_batch(x)
        rows = len(x["source"])
        found = super().predict_on_batch(distribution.dealt(self, x))
        return keras.tree.map_structure(lambda value: value[:rows], found)

    def generate(self, inputs: Sequence[Any], **search: Any) -> list[Any]:
        """Raw outputs of raw inputs: transcripts of audio, translations of text.

        Args:
            inputs: audio files, waveforms or lines of text.
            search: settings of the search of the task, such as `beam=8`.
        """
        return self.task.generate(self, inputs, **search)

    @classmethod
    def from_preset(
        cls,
        preset: str | Path,
        load_weights: bool | None = None,
        **overrides: dict[str, Any],
    ) -> Self:
        """A model by the name of a preset, from a preset directory or from a run.

        Args:
            preset: a registered name (hyphens and underscores are the same) or a
                directory written by `save_to_preset`; of a run its best model.
            load_weights: None loads weights where there are some, True requires
                them, False never loads them.
            overrides: settings of one part each, `encoder={"rnn_units": 256}`.

        Raises:
            UserError: neither a name nor a directory, a damaged directory, or
                weights that are required and absent.
        """
        if str(preset) in PRESETS and not Path(preset).is_dir():
            return PRESETS.get(str(preset)).build(load_weights, **overrides)
        return load_preset(cls, Path(preset), load_weights, **overrides)

    def save_to_preset(self, directory: str | Path) -> None:
        """Write weights, parts and task as plain data, without optimizer state."""
        save_preset(self, Path(directory))

    def get_config(self) -> dict[str, Any]:
        """Parts and task as plain data; `save` keeps what the task learned beside."""
        return {"name": self.name, **describe_model(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        name, task = config.pop("name"), config.pop("task")
        model = assemble(cls, make_task(task, "task"), config, "The configuration")
        model.name = name
        return model

    def get_build_config(self) -> None:
        """Nothing: `from_config` builds."""

    def save_assets(self, directory: str) -> None:
        """Write the files of the task, as `keras.Model.save` asks for them."""
        write_assets(Path(directory), self.task.assets())

    def load_assets(self, directory: str) -> None:
        """Read what `save_assets` wrote."""
        self.task = self.task.with_assets(read_assets(Path(directory)))
