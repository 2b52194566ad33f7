"""Optimizers for `compile`, wrappers around any of them, and learning rates."""

from typing import TYPE_CHECKING

from s2s_zoo.lazy import lazily

if TYPE_CHECKING:
    from s2s_zoo.optimizers.accumulation import GradientAccumulation
    from s2s_zoo.optimizers.adam import Adam
    from s2s_zoo.optimizers.averaged_sgd import NonMonotonicASGD
    from s2s_zoo.optimizers.averages import averaged
    from s2s_zoo.optimizers.larc import LARC, adam_larc, momentum_larc
    from s2s_zoo.optimizers.lazy_adam import LazyAdam
    from s2s_zoo.optimizers.loss_scaling import (
        AutomaticLossScaleOptimizer,
        LossScalingError,
        SkipBudget,
    )
    from s2s_zoo.optimizers.novograd import NovoGrad
    from s2s_zoo.optimizers.own_rates import OwnRate, OwnRates
    from s2s_zoo.optimizers.schedules import (
        Constant,
        CosineDecay,
        ExponentialDecay,
        InversePolynomialDecay,
        InverseSquareRoot,
        PiecewiseConstantDecay,
        PolynomialDecay,
        Schedule,
    )
    from s2s_zoo.optimizers.sgd import SGD
    from s2s_zoo.optimizers.wrapper import OptimizerWrapper

__all__ = [
    "LARC",
    "SGD",
    "Adam",
    "AutomaticLossScaleOptimizer",
    "Constant",
    "CosineDecay",
    "ExponentialDecay",
    "GradientAccumulation",
    "InversePolynomialDecay",
    "InverseSquareRoot",
    "LazyAdam",
    "LossScalingError",
    "NonMonotonicASGD",
    "NovoGrad",
    "OptimizerWrapper",
    "OwnRate",
    "OwnRates",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "Schedule",
    "SkipBudget",
    "adam_larc",
    "averaged",
    "momentum_larc",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        ".accumulation": ("GradientAccumulation",),
        ".adam": ("Adam",),
        ".averaged_sgd": ("NonMonotonicASGD",),
        ".averages": ("averaged",),
        ".larc": ("LARC", "adam_larc", "momentum_larc"),
        ".lazy_adam": ("LazyAdam",),
        ".loss_scaling": (
            "AutomaticLossScaleOptimizer",
            "LossScalingError",
            "SkipBudget",
        ),
        ".novograd": ("NovoGrad",),
        ".own_rates": ("OwnRate", "OwnRates"),
        ".schedules": (
            "Constant",
            "CosineDecay",
            "ExponentialDecay",
            "InversePolynomialDecay",
            "InverseSquareRoot",
            "PiecewiseConstantDecay",
            "PolynomialDecay",
            "Schedule",
        ),
        ".sgd": ("SGD",),
        ".wrapper": ("OptimizerWrapper",),
    },
)
