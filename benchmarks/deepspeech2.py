"""Training steps of deepspeech2_small against plain PyTorch, in turns.

    python benchmarks/deepspeech2.py [--backends tensorflow,jax,torch] [--steps 12]

Every contestant is a process that trains the same batches of raw audio: features,
model, CTC, Adam. Contestants take turns step by step while the others sleep, so that
whatever else the machine does hits all of them; the ratio of median step times is the
result.
Above 1 the zoo is faster.
"""

from recognizers import ALPHABET, run

SHAPES = ((11, 1.40), (10, 1.55), (9, 1.75), (7, 2.10))
"""As the demo corpus has them."""


def make_pytorch(_preset):
    import torch
    from torch import nn

    class DeepSpeech2(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolutions = nn.Sequential(
                nn.Conv2d(1, 32, (11, 41), (2, 2), (5, 20), bias=False),
                nn.BatchNorm2d(32),
                nn.ReLU(),
                nn.Conv2d(32, 32, (11, 21), (1, 2), (5, 10), bias=False),
                nn.BatchNorm2d(32),
                nn.ReLU(),
            )
            self.rnn = nn.GRU(
                768, 512, 2, batch_first=True, bidirectional=True, dropout=0.5
            )
            self.head = nn.Sequential(
                nn.Linear(1024, 1024),
                nn.ReLU(),
                nn.Dropout(0.5),
                nn.Linear(1024, ALPHABET + 1),
            )

        def forward(self, audio, lengths):
            window = torch.hann_window(320)
            spectrum = torch.stft(
                audio, 512, 160, 320, window, pad_mode="constant", return_complex=True
            )
            x = 10 * torch.log10(spectrum.abs()[:, :96].square() + 1e-10)
            x = (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)
            x = self.convolutions(x.transpose(1, 2)[:, None])
            x = x.permute(0, 2, 1, 3).flatten(2)
            frames = (lengths // 160 + 2) // 2
            packed = nn.utils.rnn.pack_padded_sequence(
                x, frames, batch_first=True, enforce_sorted=False
            )
            x, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], True)
            return self.head(x).log_softmax(-1), frames

    return DeepSpeech2()


if __name__ == "__main__":
    description = __doc__.splitlines()[0]
    run(__file__, description, SHAPES, 16, 12, make_pytorch, "deepspeech2-small")
