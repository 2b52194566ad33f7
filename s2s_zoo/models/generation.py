"""From sources to tokens: an encoder, and a search over the steps of a decoder."""

from typing import TYPE_CHECKING

from keras import ops

from s2s_zoo.search.options import Search
from s2s_zoo.search.search import search
from s2s_zoo.typing import Tensor

if TYPE_CHECKING:
    from s2s_zoo.models.seq2seq import Seq2Seq


def generate_tokens(
    model: "Seq2Seq", inputs: dict[str, Tensor], options: Search
) -> dict[str, Tensor]:
    """Write a target for each source, free-running.

    Args:
        model: with an autoregressive decoder.
        inputs: `source` and `source_lengths`, as `Seq2Seq.call` takes them, and
            maybe `prefix`, (B, P) int32 tokens that the targets begin with, padded
            with -1 at the end.
        options: how to search.

    Returns:
        The fields of `s2s_zoo.search.result.SearchResult` by name.
    """
    memory = model.encode(inputs, training=False)
    lengths = ops.cast(inputs["source_lengths"], "int32")
    prefix = inputs.get("prefix")
    size = options.size(ops.shape(inputs["source"])[1])
    if prefix is not None:
        size = size + ops.shape(prefix)[1]
    state = model.decoder.start(
        memory, options.rows, size + 1, reordered=not options.samples
    )
    found = search(
        model.decoder.step,
        state,
        options,
        lengths,
        size=size,
        prefix=prefix,
        loop=model.loop,
    )
    return found._asdict()
