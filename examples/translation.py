"""Train a small translator in plain Keras style, then translate with it."""

import sys
from dataclasses import replace

import keras

from s2s_zoo.registry import PRESETS

corpus = sys.argv[1] if len(sys.argv) > 1 else "demo_numbers"
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 1000

keras.utils.set_random_seed(0)
preset = PRESETS.get("transformer-tiny").with_settings({"task.vocabulary": 200})
pairs = preset.task.read(corpus, "train")
preset = replace(preset, task=preset.task.fit(pairs))  # learns the tokenizer
model = preset.build()
model.compile(optimizer=keras.optimizers.Adam(1e-3))

batches = preset.task.batches(pairs, training=True)
plan = batches.plan(budget=2048, shuffle=True)
for step in range(steps):
    epoch, position = divmod(step, len(plan))
    inputs, target = batches.load(plan.epoch(epoch)[position], epoch)
    logs = model.train_on_batch(inputs, target, return_dict=True)
    if step % 50 == 0:
        print(f"step {step}: loss {logs['loss']:.2f}")

test = preset.task.read(corpus, "test")[:5]
for pair, text in zip(test, model.generate([p.source for p in test]), strict=True):
    print(f"{pair.source!r} is {pair.target!r}, written {text!r}")
