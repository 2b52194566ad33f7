"""A pre-norm Transformer in plain PyTorch, with the weights of one of the zoo."""

import math

import numpy as np
import torch
from keras import ops
from torch import nn


class PyTorchTransformer(nn.Module):
    """torch.nn's layers, tensor2tensor's sinusoids, one table for everything."""

    def __init__(self, model):
        super().__init__()
        encoder, decoder = model.encoder, model.decoder
        self.width = encoder.width
        options = {"dropout": 0.0, "batch_first": True, "norm_first": True}
        options |= {"layer_norm_eps": encoder.epsilon}
        sizes = (encoder.width, encoder.heads, encoder.hidden)
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(*sizes, **options) for _ in encoder.blocks
        )
        self.decoder = nn.ModuleList(
            nn.TransformerDecoderLayer(*sizes, **options) for _ in decoder.blocks
        )
        self.encoder_norm = nn.LayerNorm(encoder.width, eps=encoder.epsilon)
        self.decoder_norm = nn.LayerNorm(encoder.width, eps=encoder.epsilon)
        self.table = nn.Parameter(tensor(model.features.embedding.table))
        self._copy(encoder, decoder)

    @torch.no_grad()
    def _copy(self, encoder, decoder):
        for ours, theirs in zip(encoder.blocks, self.encoder, strict=True):
            copy_self_attention(ours.attention, theirs.self_attn)
            copy_norm(ours.around_attention, theirs.norm1)
            copy_norm(ours.around_feed_forward, theirs.norm2)
            copy_feed_forward(ours.feed_forward, theirs)
        for ours, theirs in zip(decoder.blocks, self.decoder, strict=True):
            copy_self_attention(ours.self_attention, theirs.self_attn)
            copy_attention(ours.attention, theirs.multihead_attn)
            copy_norm(ours.around_self_attention, theirs.norm1)
            copy_norm(ours.around_attention, theirs.norm2)
            copy_norm(ours.around_feed_forward, theirs.norm3)
            copy_feed_forward(ours.feed_forward, theirs)
        copy_layer_norm(encoder.normalization, self.encoder_norm)
        copy_layer_norm(decoder.normalization, self.decoder_norm)

    def embed(self, tokens):
        half = self.width // 2
        rates = torch.exp(-torch.arange(half) * math.log(1e4) / (half - 1))
        angles = torch.arange(tokens.shape[1])[:, None] * rates
        code = torch.cat([angles.sin(), angles.cos()], dim=-1)
        return self.table[tokens] * math.sqrt(self.width) + code

    def encode(self, source, mask):
        x = self.embed(source)
        for layer in self.encoder:
            x = layer(x, src_key_padding_mask=~mask)
        return self.encoder_norm(x)

    def decode(self, read, memory, mask):
        """Logits after each token of `read`, which begins with the start token."""
        size = read.shape[1]
        causal = torch.triu(torch.ones(size, size, dtype=torch.bool), 1)
        x = self.embed(read)
        for layer in self.decoder:
            x = layer(x, memory, tgt_mask=causal, memory_key_padding_mask=~mask)
        return self.decoder_norm(x) @ self.table.T

    def forward(self, source, lengths, target):
        mask = torch.arange(source.shape[1])[None] < lengths[:, None]
        read = torch.cat([torch.full_like(target[:, :1], 2), target[:, :-1]], dim=1)
        return self.decode(read, self.encode(source, mask), mask)


def tensor(variable):
    return torch.from_numpy(np.array(ops.convert_to_numpy(variable)))


def copy_self_attention(ours, theirs):
    theirs.in_proj_weight.copy_(tensor(ours.projection).T)
    theirs.in_proj_bias.zero_()
    theirs.out_proj.weight.copy_(tensor(ours.output_kernel).T)
    theirs.out_proj.bias.zero_()


def copy_attention(ours, theirs):
    kernels = [tensor(k).T for k in (ours.query, ours.keys, ours.values)]
    theirs.in_proj_weight.copy_(torch.cat(kernels))
    theirs.in_proj_bias.zero_()
    theirs.out_proj.weight.copy_(tensor(ours.output_kernel).T)
    theirs.out_proj.bias.zero_()


def copy_feed_forward(ours, theirs):
    for mine, other in ((ours.rise, theirs.linear1), (ours.fall, theirs.linear2)):
        other.weight.copy_(tensor(mine.kernel).T)
        other.bias.copy_(tensor(mine.bias))


def copy_norm(sublayer, theirs):
    copy_layer_norm(sublayer.normalization, theirs)


def copy_layer_norm(ours, theirs):
    theirs.weight.copy_(tensor(ours.gamma))
    theirs.bias.copy_(tensor(ours.beta))
