"""Train a small speech recognizer in plain Keras style, then listen with it."""

import sys

import keras

from s2s_zoo import Seq2Seq

corpus = sys.argv[1] if len(sys.argv) > 1 else "demo_speech"
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 500

keras.utils.set_random_seed(0)
model = Seq2Seq.from_preset("deepspeech2-toy")
model.compile(optimizer=keras.optimizers.Adam(1e-3))

train = model.task.read(corpus, "train")
batches = model.task.batches(train, training=True)
plan = batches.plan(budget=16.0, shuffle=True)
for step in range(steps):
    epoch, position = divmod(step, len(plan))
    inputs, target = batches.load(plan.epoch(epoch)[position], epoch)
    logs = model.train_on_batch(inputs, target, return_dict=True)
    if step % 50 == 0:
        print(f"step {step}: loss {logs['loss']:.2f}")

test = model.task.read(corpus, "test")[:5]
for utterance, heard in zip(
    test, model.generate([u.source for u in test]), strict=True
):
    print(f"said {utterance.transcript!r}, heard {heard!r}")
