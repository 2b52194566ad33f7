"""Adam against Keras' and PyTorch's, and how often it computes what all share."""

import keras
import pytest

from s2s_zoo.optimizers.adam import Adam
from tests.optimizers.updates import (
    arrays,
    both_paths,
    check,
    problem,
    stateful,
    tensors,
    variables,
)
from tests.pytorch_reference import import_torch

SETTINGS = {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.9}


@both_paths
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"amsgrad": True},
        {"weight_decay": 0.1, "epsilon": 1e-3},
        {"global_clipnorm": 0.5, "use_ema": True},
        {"gradient_accumulation_steps": 2},
    ],
)
def test_moves_as_keras_does(run, more):
    weights, gradients = problem(6)
    expected = stateful(keras.optimizers.Adam(**SETTINGS, **more), weights, gradients)
    found = run(Adam(**SETTINGS, **more), weights, gradients)
    for ours, theirs in zip(found, expected, strict=True):
        check(ours, theirs)


def test_moves_as_pytorch_does():
    torch = import_torch()
    weights, gradients = problem(6)
    parameters = [torch.nn.Parameter(torch.tensor(w)) for w in weights]
    theirs = torch.optim.Adam(parameters, 0.05, (0.8, 0.9), eps=1e-12)
    found = stateful(Adam(**SETTINGS, epsilon=1e-12), weights, gradients)
    for step, after in zip(gradients, found, strict=True):
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = torch.tensor(gradient)
        theirs.step()
        check(after, [p.detach().numpy() for p in parameters])


def test_comes_back_as_what_is_fast_here():
    """Whatever backend wrote it."""
    written = keras.saving.serialize_keras_object(Adam(0.25))
    written |= {"module": Adam.__module__, "registered_name": "s2s_zoo>Adam"}
    found = keras.saving.deserialize_keras_object(written)
    assert type(found) is type(Adam())
    assert float(found.learning_rate) == 0.25


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="counts TensorFlow's operations"
)
def test_what_all_variables_share_is_computed_once():
    import tensorflow as tf

    weights, gradients = problem()
    found, optimizer = variables(weights), Adam(**SETTINGS)
    optimizer.build(found)

    @tf.function
    def step(gradients):
        optimizer.apply(gradients, found)

    graph = step.get_concrete_function(tensors(gradients[0])).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("Pow") == 2  # one for each moment
    assert len(weights) > 2
    assert kinds.count("RealDiv") == len(weights) + 1
    before = arrays(found)
    step(tensors(gradients[0]))
    assert all((a != b).any() for a, b in zip(before, arrays(found), strict=True))
