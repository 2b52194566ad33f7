"""Dtype policies by name, and penalties on weights that stay in float32."""

from pathlib import Path
from typing import Any

import keras
from keras import ops
from keras.src.backend import AutocastScope

from s2s_zoo.errors import UserError
from s2s_zoo.typing import Tensor

POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")
AUTO = "auto"
"""mixed_bfloat16 where the processor computes in it, and float32 elsewhere."""

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
GAINS_FROM_BFLOAT16 = ("tensorflow", "torch")
PARTS = ("encoder", "decoder")


def policies(precision: str) -> dict[str, str]:
    """The dtype policy of each part of a model.

    Args:
        precision: a policy for all parts, `AUTO`, or `part=policy` pairs with commas
            between them, such as "encoder=mixed_float16,decoder=float32"; a part left
            out is float32. Features are float32 always.

    Raises:
        UserError: no such policy or part.
    """
    if precision == AUTO:
        precision = "mixed_bfloat16" if computes_in_bfloat16() else "float32"
    if precision in POLICIES:
        return dict.fromkeys(PARTS, precision)
    pairs = [pair.strip().partition("=")[::2] for pair in precision.split(",")]
    if not all(part in PARTS and policy in POLICIES for part, policy in pairs):
        raise UserError(
            f"precision is one of {', '.join((*POLICIES, AUTO))}, or pairs of a part "
            f"({', '.join(PARTS)}) and one of them, such as "
            f"encoder=mixed_float16,decoder=float32. Received: {precision}"
        )
    return {**dict.fromkeys(PARTS, "float32"), **dict(pairs)}


def described(precision: str) -> str:
    """A precision in words; of `AUTO`, what it comes to on this machine."""
    if precision != AUTO:
        return precision
    return f"{policies(AUTO)['encoder']}, chosen for this machine"


def computes_in_bfloat16() -> bool:
    """Whether bfloat16 makes this processor faster under the backend that runs.

    It has instructions for it, and the backend uses them; only Linux tells.
    """
    if keras.backend.backend() not in GAINS_FROM_BFLOAT16:
        return False
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = (line.partition(":") for line in text.splitlines())
    named = (value for key, _, value in lines if key.strip() in ("flags", "Features"))
    return bool(BFLOAT16_FLAGS & set(next(named, "").split()))


def uses_float16(precision: str) -> bool:
    """Whether any part computes in float16, whose gradients need a loss scale."""
    return "mixed_float16" in policies(precision).values()


@keras.saving.register_keras_serializable("s2s_zoo")
class Float32Regularizer(keras.regularizers.Regularizer):
    """A penalty computed on the float32 variable, whatever autocast is active.

    In float16 the gradient 2λw of an L2 penalty with λ = 1e-5 is zero for every weight
    below 0.003, and the weights that a penalty should shrink are the ones it forgets.

    Args:
        regularizer: any Keras regularizer, as an object, a name or a configuration.
    """

    def __init__(self, regularizer: Any) -> None:
        self.regularizer = keras.regularizers.get(regularizer)

    def __call__(self, x: Tensor) -> Tensor:
        """The penalty on `x`, a float32 scalar."""
        with AutocastScope(None):
            return self.regularizer(ops.cast(ops.convert_to_tensor(x), "float32"))

    def get_config(self) -> dict[str, Any]:
        return {"regularizer": keras.regularizers.serialize(self.regularizer)}


def l2_penalty(l2: float) -> Float32Regularizer | None:
    """λ/2·‖w‖² for λ = `l2` in float32, None for λ = 0."""
    return Float32Regularizer(keras.regularizers.L2(l2 / 2)) if l2 else None
