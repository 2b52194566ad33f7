"""Dtype policies by name."""

from s2s_zoo.errors import UserError

POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")


def check_policy(name: str) -> str:
    """`name` if it is a policy of the zoo.

    Raises:
        UserError: it is not.
    """
    if name not in POLICIES:
        raise UserError(f"precision is one of {', '.join(POLICIES)}. Received: {name}")
    return name
