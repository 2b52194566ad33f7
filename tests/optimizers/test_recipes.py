"""Keras' own optimizers, named by a recipe, against PyTorch's."""

from dataclasses import replace
from functools import partial

import keras
import pytest

from s2s_zoo.registry import PRESETS
from tests.optimizers.updates import both_paths, check, problem
from tests.pytorch_reference import import_torch

RATE = 0.05
TINY = 1e-12
"""The two put epsilon in different places; small enough, it is nowhere."""

PAIRS = {
    "adam": (
        partial(keras.optimizers.Adam, beta_1=0.8, beta_2=0.95, epsilon=TINY),
        lambda torch: partial(torch.optim.Adam, betas=(0.8, 0.95), eps=TINY),
    ),
    "adamw": (
        partial(keras.optimizers.AdamW, weight_decay=0.1, epsilon=TINY),
        lambda torch: partial(torch.optim.AdamW, weight_decay=0.1, eps=TINY),
    ),
    "sgd": (
        partial(keras.optimizers.SGD, momentum=0.9),
        lambda torch: partial(torch.optim.SGD, momentum=0.9),
    ),
    "rmsprop": (
        partial(keras.optimizers.RMSprop, rho=0.9, epsilon=TINY),
        lambda torch: partial(torch.optim.RMSprop, alpha=0.9, eps=TINY),
    ),
}


@both_paths
@pytest.mark.parametrize("name", PAIRS)
def test_follows_pytorch(run, name):
    torch = import_torch()
    ours, theirs = PAIRS[name]
    weights, gradients = problem()
    parameters = [torch.nn.Parameter(torch.tensor(w)) for w in weights]
    optimizer = theirs(torch)(parameters, lr=RATE)
    for step, found in zip(
        gradients, run(ours(learning_rate=RATE), weights, gradients), strict=True
    ):
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = torch.tensor(gradient)
        optimizer.step()
        check(found, [p.detach().numpy() for p in parameters], atol=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_a_recipe_names_it(name):
    preset = PRESETS.get("deepspeech2_small")
    optimizer = PAIRS[name][0]
    preset = replace(preset, recipe=replace(preset.recipe, optimizer=optimizer))
    for key, value in optimizer.keywords.items():
        assert preset.settings()[f"recipe.optimizer.{key}"] == value
    changed = preset.with_settings({"recipe.optimizer.weight_decay": 0.25})
    made = changed.recipe.optimizer(learning_rate=RATE)
    assert isinstance(made, optimizer.func)
    assert made.weight_decay == 0.25
