"""Backbones of keras-hub as encoders."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import UserError, check_range
from s2s_zoo.hub import describe, keras_hub, load, make
from s2s_zoo.layers.base import MAX_LAYERS, MAX_SIZE
from s2s_zoo.layers.masking import apply_mask, sequence_mask
from s2s_zoo.optimizers.own_rates import OwnRate
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor

ALL = -1
_OUTPUTS = ("encoder_sequence_output", "sequence_output")
_PROBE = 64
"""Frames that the stride of an encoder of frames is told from."""


class _Ends(NamedTuple):
    """Where a source enters a backbone and the memory leaves it.

    Attributes:
        source: name of the input that takes tokens, frames or images.
        mask: name of the one that takes a padding mask, None for none.
        zeros: names of those that are zero, such as the segments of one text.
    """

    source: str
    mask: str | None
    zeros: tuple[str, ...]


@keras.saving.register_keras_serializable("s2s_zoo")
class KerasHubEncoder(Encoder):
    """A backbone of keras-hub: BERT, ResNet, the encoder of Whisper, and most others.

    It reads token ids of `TokenIds`, images, or frames, whichever the backbone takes;
    places of an image are the frames of the memory. Of an encoder and decoder the
    encoder alone is kept. Weights come with the preset; after that the preset is not
    needed: the backbone is described in the configuration, and its weights are those
    of the model.

    The layers that have weights, counted from the input, are what is frozen. Gradual
    unfreezing is that of Howard and Ruder (2018, section 3.2): the last layer learns
    from the start and one more below it joins every `unfreeze_every` updates.

    Args:
        backbone: name of a keras-hub preset, a local preset directory, or the
            description `{"name": …, "config": …}` that it becomes.
        frozen: lowest layers that never learn, -1 for all.
        unfreeze_every: updates after which the next lower layer learns too, 0 for all
            from the start.
        learning_rate_factor: what the learning rate is multiplied by in the backbone.

    Raises:
        ValueError: a number out of its range, or no backbone.
        UserError: no such preset, or keras-hub is not installed.

    Example:
        >>> from s2s_zoo.encoders import KerasHubEncoder
        >>> sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8}
        >>> sizes |= {"vocabulary_size": 9, "intermediate_dim": 16}
        >>> bert = {"name": "keras_hub>BertBackbone", "config": sizes}
        >>> encoder = KerasHubEncoder(bert, frozen=3, learning_rate_factor=0.1)
        >>> encoder.backbone["config"]["hidden_dim"], encoder.frozen
        (8, 3)
    """

    def __init__(
        self,
        backbone: str | dict[str, Any],
        frozen: int = 0,
        unfreeze_every: int = 0,
        learning_rate_factor: float = 1.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("frozen", frozen, ALL, MAX_LAYERS)
        check_range("unfreeze_every", unfreeze_every, 0, MAX_SIZE)
        check_range("learning_rate_factor", learning_rate_factor, 0, 1000)
        self._given: list[Any] | None = None
        if isinstance(backbone, str):
            found = load(keras_hub().models.Backbone, backbone, "backbone")
            self._given = found.get_weights()
            backbone = describe(found)
        self.backbone = dict(backbone)
        self.frozen = frozen
        self.unfreeze_every = unfreeze_every
        self.learning_rate_factor = learning_rate_factor

    def build(self, input_shape: Shape, *_: Any) -> None:
        whole = make(keras_hub().models.Backbone, self.backbone, self.dtype_policy)
        if self._given is not None:
            whole.set_weights(self._given)
            self._given = None
        inputs = _inputs(whole)
        output = _output(whole, self.backbone["name"])
        self._ends = _ends(inputs, self.backbone["name"])
        self.model = keras.Model(inputs, output, name="backbone")
        _check_width(self.model.input[self._ends.source].shape, input_shape)
        count = len(self._trained) if self.frozen == ALL else self.frozen
        for layer in self._trained[:count]:
            layer.trainable = False

    @property
    def _trained(self) -> list[Any]:
        """The layers that have weights, from the input on."""
        return [layer for layer in self.model.layers if layer.weights]

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        """The last layer of the backbone before any pooling."""
        given = {self._ends.source: inputs}
        if self._ends.mask:
            given[self._ends.mask] = ops.cast(mask, "int32")
        given |= {name: ops.zeros_like(inputs) for name in self._ends.zeros}
        x = self.model(given, training=training)
        if len(inputs.shape) == 4:
            x = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
            out_mask = ops.broadcast_to(mask, ops.shape(x)[:2])
        else:
            lengths = ops.sum(ops.cast(mask, "int32"), axis=1)
            out_mask = sequence_mask(self.output_lengths(lengths), ops.shape(x)[1])
        return EncoderOutput(apply_mask(x, out_mask), out_mask)

    @property
    def time_stride(self) -> int:
        source = self.model.input[self._ends.source].shape
        if len(source) != 3:
            return 1
        probe = {self._ends.source: (1, _PROBE, source[-1])}
        frames = self.model.compute_output_shape(probe)[1]
        return round(_PROBE / frames)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return (lengths + self.time_stride - 1) // self.time_stride

    def compute_output_shape(self, input_shape: Shape, *_: Any) -> Shape:
        others = [self._ends.mask] if self._ends.mask else []
        names = [self._ends.source, *others, *self._ends.zeros]
        shapes = {name: input_shape[: 2 if name in others else None] for name in names}
        found = self.model.compute_output_shape(shapes)
        if len(found) == 3:
            return tuple(found)
        height, width = found[1:3]
        known = height is not None and width is not None
        return (found[0], height * width if known else None, found[-1])

    def own_rates(self) -> dict[str, OwnRate]:
        """The rates of its weights, by path."""
        learning = [layer for layer in self._trained if layer.trainable]
        rates: dict[str, OwnRate] = {}
        for depth, layer in enumerate(reversed(learning)):
            rate = OwnRate(self.learning_rate_factor, depth * self.unfreeze_every)
            rates |= {v.path: rate for v in layer.trainable_variables}
        return rates


def _inputs(backbone: Any) -> dict[str, Any]:
    """The inputs of a backbone by name, without those of a decoder."""
    found = backbone.input
    named = found if isinstance(found, Mapping) else {found.name: found}
    return {n: v for n, v in named.items() if not n.startswith("decoder_")}


def _output(backbone: Any, name: str) -> Any:
    """The sequence or the places that a backbone makes of its source."""
    found = backbone.output
    if not isinstance(found, Mapping):
        return found
    for key in _OUTPUTS:
        if key in found:
            return found[key]
    raise ValueError(
        f"backbones give one of {', '.join(_OUTPUTS)}, or one tensor. Received: {name} "
        f"with {', '.join(found)}"
    )


def _ends(inputs: Mapping[str, Any], name: str) -> _Ends:
    masks = [n for n in inputs if n.endswith("padding_mask")]
    zeros = [n for n in inputs if n.endswith("segment_ids")]
    sources = [n for n in inputs if n not in (*masks, *zeros)]
    if len(sources) != 1 or len(masks) > 1:
        raise UserError(
            "A backbone reads one source, and with it a padding mask and segments. "
            f"Received: {name}, which reads {', '.join(inputs)}"
        )
    return _Ends(sources[0], masks[0] if masks else None, tuple(zeros))


def _check_width(wanted: Shape, given: Shape) -> None:
    """Refuse features of another rank or size than the backbone takes.

    Raises:
        ValueError: says both shapes.
    """
    fits = len(wanted) == len(given) and all(
        None in (one, other) or one == other
        for one, other in zip(wanted[2:], given[2:], strict=True)
    )
    if not fits:
        raise ValueError(f"the backbone reads {wanted}. Received: features {given}")
