"""The contract of decoders."""

import abc
from collections.abc import Iterable
from typing import Any, ClassVar

from keras import ops

from s2s_zoo.features.base import Features
from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.typing import Arrays, DecoderState, EncoderOutput, Tensor, Tensors
from s2s_zoo.vocabulary import START

Batched = tuple[Arrays, Arrays]
"""A batch of inputs and target."""


class Decoder(ZooLayer, abc.ABC):
    """Turns the memory of an encoder into scores of the target, or the target itself.

    Attributes:
        reads_target: whether it reads the target it is to give, so that a model
            without one has to search for it.
        tie_source: whether the table of the source's tokens is the target's too.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import Decoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> class Classifier(Decoder):
        ...     def call(self, targets, memory, training=None):
        ...         return {"logits": ops.mean(memory.sequence, axis=1)}
        >>> memory = EncoderOutput(ops.ones((2, 5, 4)), ops.ones((2, 5), "bool"))
        >>> ops.shape(Classifier()(None, memory)["logits"])
        (2, 4)
    """

    reads_target: ClassVar[bool] = False
    tie_source: bool = False

    @abc.abstractmethod
    def call(
        self,
        targets: Tensor | None,
        memory: EncoderOutput,
        training: bool | None = None,
    ) -> Tensors:
        """Read `memory`, and `targets` (B, U, ...) where it `reads_target`.

        Arguments beside these are further inputs of a batch, by their names.

        Returns:
            Tensors by name: `logits` (B, U, V) float32 of tokens or (B, C) of classes,
            `log_probabilities` (B, U) float32 of the targets, `ctc_logits` (B, T, V+1)
            float32, `frames` (B, U, D), `stop` (B, U), … No name is `mask`, which the
            model adds.
        """

    def follow(self, features: Features, encoder: Any) -> None:
        """The parts before it, for one that reads on through them; before `build`."""

    def adapt(self, examples: Iterable[Batched]) -> None:
        """Learn from the training data what steps do not; before the first of them.

        Args:
            examples: all of them in batches, undistorted; read as they are asked for.
        """

    def share(self, embedding: TokenEmbedding) -> None:
        """Use the table of the source; before `build`."""
        self.embedding = embedding


class TokenDecoder(Decoder):
    """Writes one token after the other, each read before the next is scored.

    Token by token gives the logits that teacher forcing gives.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import ConvS2SDecoder, TokenDecoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> decoder = ConvS2SDecoder(9, 4, channels=(4,), kernels=(3,), out_width=4)
        >>> decoder.build(EncoderOutput((None, None, 4), (None, None)))
        >>> memory = EncoderOutput(ops.ones((1, 5, 4)), ops.ones((1, 5), "bool"))
        >>> state = decoder.start(memory, beams=3, length=10)
        >>> logits, state = decoder.step(ops.full((3,), 2, "int32"), state)
        >>> isinstance(decoder, TokenDecoder), ops.shape(logits), int(state.position)
        (True, (3, 9), 1)
    """

    reads_target = True

    @abc.abstractmethod
    def start(
        self, memory: EncoderOutput, beams: int, length: int, reordered: bool = True
    ) -> DecoderState:
        """The state before the first of at most `length` tokens.

        Args:
            memory: of B sources.
            beams: K, rows to be written for each source.
            length: the room caches make, in tokens.
            reordered: whether the search puts rows of a source in each other's place,
                as beams are, so that they share what they have written.
        """

    @abc.abstractmethod
    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Read `tokens` (R,), the start token at first.

        Returns:
            (R, V) float32 logits of the token after, and the state after.
        """

    @abc.abstractmethod
    def alignment(self, targets: Tensor, memory: EncoderOutput) -> Tensor:
        """(B, U, T) share of attention each target token gave each source frame."""


def shifted_right(targets: Tensor) -> Tensor:
    """What is read before each of `targets` (B, U): the start token, then they.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import shifted_right
        >>> print(ops.convert_to_numpy(shifted_right(ops.array([[4, 5, 1]]))))
        [[2 4 5]]
    """
    start = ops.full_like(targets[:, :1], START)
    return ops.concatenate([start, targets[:, :-1]], axis=1)
