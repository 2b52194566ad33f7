"""Zaremba's language model (2014) as one would write it in PyTorch."""

import torch


class LanguageModel(torch.nn.Module):
    """A table, LSTMs with dropout around each, and a score of every token.

    The state after a batch is where the next one goes on from.
    """

    def __init__(self, vocabulary, units, dropout, bias):
        super().__init__()
        width = units[0]
        assert set(units) == {width}
        self.table = torch.nn.Embedding(vocabulary, width)
        self.drop = torch.nn.Dropout(dropout)
        self.lstm = torch.nn.LSTM(
            width, width, len(units), dropout=dropout, batch_first=True
        )
        for name, weight in self.lstm.named_parameters():  # one bias of two that add up
            weight.requires_grad_("bias_hh" not in name)
        self.scores = torch.nn.Linear(width, vocabulary, bias=bias)
        self.state = None

    def forward(self, tokens):
        x, state = self.lstm(self.drop(self.table(tokens)), self.state)
        self.state = tuple(part.detach() for part in state)
        return self.scores(self.drop(x))
