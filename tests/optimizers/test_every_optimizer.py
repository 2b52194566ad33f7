"""What every optimizer of the zoo keeps of Keras' promises."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.optimizers.larc import LARC
from s2s_zoo.optimizers.lazy_adam import LazyAdam
from s2s_zoo.optimizers.loss_scaling import AutomaticLossScaleOptimizer
from s2s_zoo.optimizers.novograd import NovoGrad
from tests import prepared
from tests.optimizers.updates import (
    arrays,
    both_paths,
    check,
    descend,
    linear_model,
    problem,
    stateful,
    stateless,
    tensors,
    variables,
)


def larc(gradient_accumulation_steps=None, **settings):
    inner = keras.optimizers.SGD(0.05, momentum=0.9, **settings)
    return LARC(
        inner, eta=0.02, gradient_accumulation_steps=gradient_accumulation_steps
    )


MAKE = {
    "novograd": lambda **k: NovoGrad(0.05, weight_decay=0.1, **k),
    "novograd_legacy": lambda **k: NovoGrad(0.05, legacy=True, **k),
    "lazy_adam": lambda **k: LazyAdam(0.05, **k),
    "larc": larc,
}
every_optimizer = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
every_clipping_optimizer = pytest.mark.parametrize(
    "make", [MAKE["novograd"], MAKE["lazy_adam"]], ids=["novograd", "lazy_adam"]
)
NAME = "embeddings"


@every_optimizer
def test_comes_back_from_its_configuration(make):
    weights, gradients = problem()
    optimizer = make()
    described = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(described)
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    expected = stateful(optimizer, weights, gradients, NAME)[-1]
    check(stateful(again, weights, gradients, NAME)[-1], expected, rtol=0, atol=0)


@every_optimizer
def test_goes_on_from_saved_variables(make):
    weights, gradients = problem(6)
    expected = stateful(make(), weights, gradients, NAME)[-1]
    first = make()
    halfway = stateful(first, weights, gradients[:3], NAME)[-1]
    store = {}
    first.save_own_variables(store)
    second = make()
    found = variables(halfway, NAME)
    second.build(found)
    second.load_own_variables(store)
    for step in gradients[3:]:
        second.apply(tensors(step), found)
    check(found, expected, rtol=0, atol=0)
    assert int(ops.convert_to_numpy(second.iterations)) == 6


@every_optimizer
@both_paths
def test_accumulated_gradients_count_as_their_mean(make, run):
    weights, gradients = problem(6)
    means = [
        [(a + b + c) / 3 for a, b, c in zip(*gradients[i : i + 3], strict=True)]
        for i in (0, 3)
    ]
    found = run(make(gradient_accumulation_steps=3), weights, gradients, NAME)
    for untouched in found[:2]:
        check(untouched, weights)
    check(found[-1], stateful(make(), weights, means, NAME)[-1], atol=1e-6)


@every_optimizer
@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: keras.optimizers.LossScaleOptimizer(inner, 2.0**14),
        AutomaticLossScaleOptimizer,
    ],
    ids=["keras", "zoo"],
)
def test_loss_scaling_changes_nothing_but_skips_overflows(make, wrap):
    run = stateless if keras.backend.backend() == "jax" else stateful
    weights, gradients = problem()
    scaled = [[2.0**14 * g for g in step] for step in gradients[:2]]
    scaled.append([np.full_like(g, np.inf) for g in gradients[0]])
    scaled += [[2.0**13 * g for g in step] for step in gradients[2:]]
    found = run(wrap(make()), weights, scaled, NAME)
    check(found[2], found[1], rtol=0, atol=0)
    check(found[-1], stateful(make(), weights, gradients, NAME)[-1])


@every_optimizer
def test_trains_in_a_compiled_step_with_and_without_loss_scaling(make):
    plain = descend(linear_model(), make(), 3)
    assert np.all(np.diff([np.ones((2, 1)), *plain], axis=0) < 0)
    wrapped = AutomaticLossScaleOptimizer(make())
    check(descend(linear_model(), wrapped, 3), plain)


@every_optimizer
def test_the_moving_average_becomes_the_weights(make):
    weights, gradients = problem(3)
    optimizer = make(use_ema=True, ema_momentum=0.5)
    found = variables(weights, NAME)
    seen = []
    for step in gradients:
        optimizer.apply(tensors(step), found)
        seen.append(arrays(found))
    optimizer.finalize_variable_values(found)
    check(found, [a / 4 + b / 4 + c / 2 for a, b, c in zip(*seen, strict=True)])


@every_clipping_optimizer
@both_paths
def test_clips_each_gradient_by_its_norm(make, run):
    weights, gradients = problem()
    clipped = [
        [g * min(1, 2 / max(np.linalg.norm(g), 1e-9)) for g in step]
        for step in gradients
    ]
    expected = stateful(make(), weights, clipped, NAME)[-1]
    check(run(make(clipnorm=2.0), weights, gradients, NAME)[-1], expected)


@every_clipping_optimizer
@both_paths
def test_clips_by_the_global_norm(make, run):
    weights, gradients = problem()
    norms = [np.sqrt(sum(np.sum(g**2) for g in step)) for step in gradients]
    clipped = [
        [g * min(1, 2 / norm) for g in step]
        for step, norm in zip(gradients, norms, strict=True)
    ]
    expected = stateful(make(), weights, clipped, NAME)[-1]
    check(run(make(global_clipnorm=2.0), weights, gradients, NAME)[-1], expected)


@every_optimizer
def test_a_variable_without_gradient_stays(make):
    weights, gradients = problem()
    found = variables(weights, NAME)
    optimizer = make()
    optimizer.build(found)
    first, *others = tensors(gradients[0])
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([None, *others])
    check(found[:1], weights[:1])
    optimizer.apply([first, *others])
    assert not np.allclose(arrays(found)[0], weights[0], atol=1e-6)


def test_two_replicas_do_what_one_device_does_with_the_whole_batch():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf.distribute belongs to the TensorFlow backend")
    script = Path(__file__).with_name("mirrored_updates.py")
    differences = json.loads(prepared.on_two_devices(script).splitlines()[-1])
    assert sorted(differences) == ["larc", "novograd", "own_rates"]
    assert max(differences.values()) < 1e-6, differences
