"""Time and memory that long audio takes, window by window and at once.

    python benchmarks/long_audio.py [PRESET] [--seconds 5,50,500] [--at-once]

Every length is a process of its own with a new model: it reads a file of noise twice.
Time is that of the second reading, when all is compiled. Memory is what the process
held at most beyond what it held before the first reading. With --at-once the model is
also given all of the audio in one row.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BLOCK_SECONDS = 5.0
HOW = {False: "windows", True: "at once"}
LINE = (
    "{audio_seconds:7.0f} s  {how}  {seconds:8.3f} s  {seconds_per_audio_second:8.5f} s"
    "  {mib:8.1f} MiB  {mib_per_audio_second:8.3f} MiB"
)


def write_noise(path, seconds, rate):
    """Noise whose loudness rises and falls, written block by block."""
    import soundfile

    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        for start in np.arange(0, seconds, BLOCK_SECONDS):
            length = int(min(BLOCK_SECONDS, seconds - start) * rate)
            loudness = 0.05 * (1.1 + np.sin(start))
            file.write(loudness * rng.normal(size=length))


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read_once(reader, path, at_once):
    if at_once:
        reader._run_batch([reader.source(path)])
    else:
        reader.run([path])


def measure(preset, seconds, at_once):
    import keras

    from s2s_zoo.registry import PRESETS

    keras.utils.set_random_seed(0)
    preset = PRESETS.get(preset).with_settings({"recipe.precision": "float32"})
    model = preset.build()
    reader = model.task.runner(model, model.task.search)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "noise.wav"
        write_noise(path, seconds, model.task.sample_rate)
        before = peak_mib()
        read_once(reader, path, at_once)
        start = time.perf_counter()
        read_once(reader, path, at_once)
        taken = time.perf_counter() - start
    windows = reader.long_audio.windows
    return {
        "audio_seconds": seconds,
        "at_once": at_once,
        "window_seconds": windows.samples / model.task.sample_rate,
        "overlap_seconds": 2 * windows.context * windows.hop / model.task.sample_rate,
        "seconds": taken,
        "seconds_per_audio_second": taken / seconds,
        "mib": peak_mib() - before,
        "mib_per_audio_second": (peak_mib() - before) / seconds,
    }


def measured_elsewhere(preset, seconds, at_once):
    command = [sys.executable, __file__, preset, "--seconds", str(seconds), "--here"]
    command += ["--at-once"] if at_once else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset", nargs="?", default="quartznet_5x3")
    parser.add_argument("--seconds", default="5,50,500", help="lengths of the audio")
    parser.add_argument("--at-once", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    lengths = [float(length) for length in options.seconds.split(",")]
    if options.here:
        print(json.dumps(measure(options.preset, lengths[0], options.at_once)))
        return
    print("audio, how, time, time a second of audio, memory, memory a second of audio")
    rows = []
    for at_once in (False, True) if options.at_once else (False,):
        for seconds in lengths:
            row = measured_elsewhere(options.preset, seconds, at_once)
            print(LINE.format(how=HOW[at_once], **row), flush=True)
            rows.append(row)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
