"""A pre-norm Transformer of torch.nn with one table for source, target and softmax."""

import math

import torch
from torch import nn

START = 2
POSITIONS = 512


class PyTorchTransformer(nn.Module):
    """What a PyTorch user would write: nn.Transformer between table and table.

    Arguments are those of the zoo's encoder and decoder.
    """

    def __init__(
        self,
        vocabulary,
        width,
        layers,
        heads,
        hidden,
        dropout=0.1,
        attention_dropout=0.1,
        relu_dropout=0.1,
    ):
        super().__init__()
        self.width = width
        self.table = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.table.weight, std=width**-0.5)
        self.drop = nn.Dropout(dropout)
        sizes = (width, heads, layers, layers, hidden, dropout)
        self.blocks = nn.Transformer(*sizes, batch_first=True, norm_first=True)
        for module in self.blocks.modules():
            if isinstance(module, nn.MultiheadAttention):
                module.dropout = attention_dropout
            if hasattr(module, "linear1"):
                module.dropout.p = relu_dropout
        half = width // 2
        rates = torch.exp(-torch.arange(half) * math.log(1e4) / (half - 1))
        angles = torch.arange(POSITIONS)[:, None] * rates
        self.register_buffer("codes", torch.cat([angles.sin(), angles.cos()], 1))

    def embed(self, tokens):
        codes = self.codes[: tokens.shape[1]]
        return self.drop(self.table(tokens) * math.sqrt(self.width) + codes)

    def forward(self, source, lengths, target):
        padding = torch.arange(source.shape[1])[None] >= lengths[:, None]
        start = torch.full_like(target[:, :1], START)
        states = self.blocks(
            self.embed(source),
            self.embed(torch.cat([start, target[:, :-1]], 1)),
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(target.shape[1]),
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
            tgt_is_causal=True,
        )
        return states @ self.table.weight.T
