"""Training steps of convolutional recognizers against plain PyTorch, in turns.

    python benchmarks/conv_asr.py quartznet_5x3 [--backends tensorflow,jax,torch]

Every contestant is a process that trains the same batches of raw audio: mel features,
the network of the preset's table, CTC, Adam. Contestants take turns step by step while
the others sleep; the ratio of median step times is the result.
Above 1 the zoo is faster.
"""

from recognizers import ALPHABET, run

SHAPES = ((16, 2.0), (12, 2.75), (8, 4.0))


def make_pytorch(preset):
    from pytorch_tdnn import Recognizer

    return Recognizer(preset, ALPHABET)


if __name__ == "__main__":
    run(__file__, __doc__.splitlines()[0], SHAPES, 12, 8, make_pytorch)
