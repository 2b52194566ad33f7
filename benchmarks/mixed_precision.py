"""Step time and memory of presets by precision, in turns.

    python benchmarks/mixed_precision.py PRESET... [--seconds 24] [--steps 10]
    python benchmarks/mixed_precision.py PRESET... --scaler

Every precision is a process that trains the same random batch. Without a GPU that tells
what half precision costs on this processor; on a GPU, also which share of the chip's
peak for matrix products a step uses, and how float32 is computed: with TF32 or not.
With --scaler all contestants compute in float32 and differ by the time loss scaling
takes.
"""

import argparse
import json
import os
import resource

from turns import Contestant, race, serve

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
SCALERS = ("float32", "float32+backoff", "float32+logmax")
TF32 = "float32 (TF32)"
PEAK_TFLOPS = {
    "H100": {"half": 989.0, TF32: 494.0, "float32": 67.0},
    "H200": {"half": 989.0, TF32: 494.0, "float32": 67.0},
    "A100": {"half": 312.0, TF32: 156.0, "float32": 19.5},
    "V100": {"half": 125.0, "float32": 15.7},
    "T4": {"half": 65.0, "float32": 8.1},
}
"""Dense peaks of the makers' data sheets (SXM versions)."""


def use_tf32(wanted):
    import keras

    if keras.backend.backend() == "torch":
        import torch

        torch.set_float32_matmul_precision("high" if wanted else "highest")
        torch.backends.cudnn.allow_tf32 = wanted
    elif keras.backend.backend() == "jax":
        import jax

        name = "tensorfloat32" if wanted else "float32"
        jax.config.update("jax_default_matmul_precision", name)
    else:
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(wanted)


def gpu():
    """Name of the first GPU, "" without one."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        return device.device_kind if device.platform == "gpu" else ""
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        return ""
    return tf.config.experimental.get_device_details(devices[0])["device_name"]


def peak_mib():
    """Largest memory held so far: on the GPU if there is one, else of the process."""
    import keras

    if not gpu():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 2**20
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20


def trainer(name, precision, seconds):
    """A function that takes a training step, and its batch."""
    import keras

    from s2s_zoo.optimizers.loss_scaling import AutomaticLossScaleOptimizer
    from s2s_zoo.registry import PRESETS

    policy, _, algorithm = precision.partition("+")
    use_tf32(policy == TF32)
    policy = policy.removesuffix(" (TF32)")
    preset = PRESETS.get(name).with_settings({"recipe.precision": policy})
    keras.utils.set_random_seed(0)
    model = preset.build()
    preset.compile(model, updates=1000)
    if algorithm:
        optimizer = AutomaticLossScaleOptimizer(model.optimizer, algorithm)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer, auto_scale_loss=False)
    (inputs, target), _ = preset.task.random_batch(seconds)
    return lambda _: float(
        model.train_on_batch(inputs, target, return_dict=True)["loss"]
    )


def teraflops(step):
    """Tera floating point operations of a step, counted by PyTorch as they run."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step(0)
    return counter.get_total_flops() / 1e12


def contestant(options):
    step = trainer(options.preset[0], options.contestant, options.seconds)
    for _ in range(2):
        step(0)
    answers = {"memory": peak_mib, "gpu": gpu, "work": lambda: teraflops(step)}
    serve(step, answers)


def measure(name, options):
    def start(precision, **environment):
        arguments = [name, "--contestant", precision]
        arguments += ["--seconds", str(options.seconds)]
        return Contestant(__file__, arguments, **environment)

    precisions = SCALERS if options.scaler else PRECISIONS
    first = start("float32")
    chip = first.ask("gpu")
    if chip and not options.scaler:
        precisions = ("float32", TF32, *PRECISIONS[1:])
    contestants = {"float32": first} | {p: start(p) for p in precisions[1:]}
    race(contestants, options.steps, 1)
    work = float(start("float32", KERAS_BACKEND="torch").ask("work")) if chip else None
    return report(name, contestants, chip, work)


def report(name, contestants, chip, work):
    device = chip or f"{os.cpu_count()} CPU cores"
    print(f"{name} on {device}, float32 without TF32 as the baseline")
    peaks = next((p for model, p in PEAK_TFLOPS.items() if model in chip), {})
    base = contestants["float32"]
    base_memory = float(base.ask("memory"))
    rows = []
    for precision, found in contestants.items():
        memory = float(found.ask("memory"))
        row = {
            "precision": precision,
            "step_seconds": found.median,
            "speed": base.median / found.median,
            "peak_mib": memory,
            "memory": memory / base_memory,
        }
        text = "{precision:16} {step_seconds:8.4f} s  x{speed:5.3f}".format(**row)
        text += "  {peak_mib:7.0f} MiB  x{memory:4.2f}".format(**row)
        peak = peaks.get("half" if "mixed" in precision else precision)
        if work and peak:
            row["share_of_peak"] = work / found.median / peak
            text += f"  {row['share_of_peak']:6.2%} of {peak:g} TFLOP/s"
        print(text)
        rows.append(row)
    return {"preset": name, "device": device, "precisions": rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset", nargs="+")
    parser.add_argument("--seconds", type=float, default=24.0, help="audio in a batch")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--scaler", action="store_true", help="time loss scaling alone")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        contestant(options)
        return
    print(json.dumps([measure(name, options) for name in options.preset]))


if __name__ == "__main__":
    main()
