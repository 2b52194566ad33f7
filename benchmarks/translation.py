"""The Transformer against plain PyTorch and against CTranslate2, in turns.

    python benchmarks/translation.py --train transformer_base [--backends jax,torch]
    python benchmarks/translation.py --decode transformer_base [--run RUN --input FILE]
    python benchmarks/translation.py --length transformer_base
    python benchmarks/translation.py --agree --run RUN --input FILE [--references FILE]

--train: every contestant is a process that trains the same batches of token ids: the
zoo with the recipe's optimizer, plain PyTorch as torch.nn.Transformer (pre-norm, one
table for source, target and softmax, Adam, label smoothing).
--decode: beam search with the same weights by the zoo and by CTranslate2 in float32 on
as many threads as there are cores; `--backends tensorflow-compiled,torch-compiled`
compile the search with XLA and with torch.compile. Without a run the weights are
random and every text has as many tokens, so that both do the same work.
--agree: how many lines the run and its CTranslate2 export translate alike.
--length: the time for texts of 16 to 128 tokens, and the exponent with which it grows.

Contestants take turns while the others sleep, so that whatever else the machine does
hits all of them; ratios of medians are the result. Above 1 the zoo is faster.
"""

import argparse
import dataclasses
import json
import os
import statistics
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from turns import Contestant, race, serve

BACKENDS = ("tensorflow", "jax", "torch")
COMPILED = "-compiled"
BATCHES = 4
LENGTHS = (16, 32, 64, 128)
PAD, END, FIRST = 0, 1, 4


def training_batches(rows, size, vocabulary):
    """Pairs of up to `size` tokens, about an eighth of them padding."""
    rng = np.random.default_rng(0)
    for _ in range(BATCHES):
        lengths = rng.integers(size * 3 // 4, size + 1, (2, rows), np.int32)
        source, target = (
            rng.integers(FIRST, vocabulary, (rows, size), np.int32)
            * (np.arange(size, dtype=np.int32) < length[:, None])
            for length in lengths
        )
        yield {
            "source": source,
            "source_lengths": lengths[0],
            "target": target,
            "target_lengths": lengths[1],
        }


def zoo_model(preset):
    """A model with fresh weights, and its preset."""
    import keras

    from s2s_zoo.registry import PRESETS

    keras.utils.set_random_seed(0)
    found = PRESETS.get(preset)
    return found.build(), found


def zoo_trainer(preset):

    model, found = zoo_model(preset)
    found.compile(model, updates=1000)

    def step(batch):
        inputs = {k: v for k, v in batch.items() if k != "target_lengths"}
        target = {k: v for k, v in batch.items() if k.startswith("target")}
        return float(model.train_on_batch(inputs, target, return_dict=True)["loss"])

    return step


def pytorch_trainer(preset):
    import torch
    from pytorch_transformer import PyTorchTransformer

    from s2s_zoo.registry import PRESETS

    found = PRESETS.get(preset)
    model = PyTorchTransformer(found.task.vocabulary, **found.decoder.keywords)
    optimizer = torch.optim.Adam(
        model.parameters(), 1e-4, (0.9, found.recipe.optimizer.keywords["beta_2"]), 1e-9
    )
    smoothing = found.task.label_smoothing

    def step(batch):
        tensors = {k: torch.from_numpy(v).long() for k, v in batch.items()}
        optimizer.zero_grad()
        logits = model(tensors["source"], tensors["source_lengths"], tensors["target"])
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1),
            tensors["target"].flatten(),
            ignore_index=PAD,
            label_smoothing=smoothing,
        )
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def trainer(options):
    from s2s_zoo.registry import PRESETS

    vocabulary = PRESETS.get(options.train).task.vocabulary
    data = list(training_batches(options.rows, options.size, vocabulary))
    make = pytorch_trainer if options.contestant == "pytorch" else zoo_trainer
    step = make(options.train)
    for batch in data:
        step(batch)
    serve(lambda i: step(data[i]), {})


def train(options):
    names = ["pytorch", *options.backends.split(",")]
    arguments = ["--train", options.train]
    arguments += ["--rows", str(options.rows), "--size", str(options.size)]
    contestants = start(names, arguments)
    race(contestants, options.turns, BATCHES)
    medians = {name: found.median for name, found in contestants.items()}
    data = list(training_batches(options.rows, options.size, FIRST + 1))
    tokens = statistics.mean(int(b["target_lengths"].sum()) for b in data)
    for name, median in medians.items():
        print(
            f"{name}: {median:.3f} s a step, {tokens / median:.0f} target tokens/s, "
            f"ratio {medians['pytorch'] / median:.2f}"
        )
    report(medians)


def decoding_model(options):
    """A model with pieces, and the search its texts are written with."""
    from s2s_zoo.models.seq2seq import Seq2Seq
    from s2s_zoo.search.tokens import TokenSearch

    if options.run:
        model = Seq2Seq.from_preset(Path(options.run) / "preset", load_weights=True)
        search = TokenSearch().parse(options.search, model.task.search)
        model.task = dataclasses.replace(model.task, search=search)
        return model, search
    from s2s_zoo.vocabulary import SPECIAL_PIECES

    model, found = zoo_model(options.decode or options.length)
    pieces = (*SPECIAL_PIECES, *(f"p{i}" for i in range(FIRST, found.task.vocabulary)))
    side = SimpleNamespace(pieces=pieces, size=len(pieces))
    tokenizers = SimpleNamespace(source=side, target=side)
    model.task = dataclasses.replace(found.task, tokenizers=tokenizers)
    return model, same_length(found.task.search, options.written)


def same_length(search, size):
    limits = {"min_length": size, "max_length": size, "length_extra": size}
    return dataclasses.replace(search, beam=4, **limits)


def sources(options, model):
    """Batches of token ids with the end token, and their lengths."""
    if not options.run:
        data = training_batches(options.rows, options.size, model.task.vocabulary_size)
        for batch in data:
            lengths = batch["source_lengths"]
            batch["source"][np.arange(len(lengths)), lengths - 1] = END
            yield batch["source"], lengths
        return
    lines = Path(options.input).read_text("utf-8").splitlines()[: options.sentences]
    ids = sorted((i for i in model.task.tokenizers.source.encode(lines)), key=len)
    for start in range(0, len(ids), options.rows):
        rows = [np.append(i, np.int32(END)) for i in ids[start : start + options.rows]]
        source = np.zeros((options.rows, -(-max(map(len, rows)) // 8) * 8), np.int32)
        for row, found in zip(source, rows, strict=False):
            row[: len(found)] = found
        yield source, np.maximum(1, (source > 0).sum(1, dtype=np.int32))


def export(options, model, data, folder):
    """Into the folder: the model as CTranslate2 reads it, and the sources."""
    from s2s_zoo.export.ctranslate2 import write_ctranslate2

    if options.run:
        serving = model.task.serving(model)
    else:
        serving = SimpleNamespace(
            model=model, assets={"none": b""}, description={}, samples=[""]
        )
    write_ctranslate2(serving, folder / "model")
    np.savez(folder / "sources.npz", *(x for pair in data for x in pair))


def zoo_decoder(options, folder):
    """Writes what CTranslate2 needs, and what the texts are, into the folder."""
    import keras

    model, search = decoding_model(options)
    data = list(sources(options, model))
    export(options, model, data, folder)
    model.search_with(search)
    if options.contestant.endswith(COMPILED):
        model.compile_search()

    def step(i):
        source, lengths = data[i]
        batch = {"source": source, "source_lengths": lengths}
        found = model.predict_on_batch(batch)
        return {k: keras.ops.convert_to_numpy(v) for k, v in found.items()}

    return step, len(data)


def ctranslate2_translator(options, folder):
    """What translates, batches of pieces, and how they are translated."""
    import ctranslate2

    threads = os.cpu_count()
    translator = ctranslate2.Translator(
        str(folder / "model"), compute_type="float32", intra_threads=threads
    )
    described = json.loads((folder / "model" / "serving.json").read_text("utf-8"))
    how = described["translate_batch"] | {"num_hypotheses": 1}
    if not options.run:
        how |= {"beam_size": 4, "patience": 1.0}
        how |= {"min_decoding_length": options.written}
        how |= {"max_decoding_length": options.written}
    stem = "source" if (folder / "model/source_vocabulary.json").exists() else "shared"
    pieces = json.loads((folder / f"model/{stem}_vocabulary.json").read_text("utf-8"))
    with np.load(folder / "sources.npz") as arrays:
        flat = [arrays[name] for name in arrays.files]
    data = [
        [[pieces[i] for i in row[: n - 1]] for row, n in zip(*pair, strict=True)]
        for pair in zip(flat[::2], flat[1::2], strict=True)
    ]
    return translator.translate_batch, data, how


def ctranslate2_decoder(options, folder):
    translate, data, how = ctranslate2_translator(options, folder)
    return lambda i: translate(data[i], **how), len(data)


def decoder(options):
    folder = Path(options.folder)
    theirs = options.contestant == "ctranslate2"
    step, count = (ctranslate2_decoder if theirs else zoo_decoder)(options, folder)
    for i in range(count):
        step(i)
    serve(step, {"batches": lambda: count})


def decode(options):
    arguments = ["--decode", options.decode, "--rows", str(options.rows)]
    arguments += ["--size", str(options.size), "--written", str(options.written)]
    if options.run:
        arguments += ["--run", options.run, "--input", options.input]
        arguments += ["--sentences", str(options.sentences)]
        arguments += ["--search", options.search]
    with tempfile.TemporaryDirectory() as folder:
        contestants = {}
        for name in options.backends.split(","):
            own = Path(folder, name)
            own.mkdir()
            contestants |= start([name], [*arguments, "--folder", str(own)])
        contestants |= start(["ctranslate2"], [*arguments, "--folder", str(own)])
        batches = int(contestants["ctranslate2"].ask("batches"))
        race(contestants, options.turns * batches, batches)
    medians = {
        name: sum(statistics.median(found.seconds[i::batches]) for i in range(batches))
        for name, found in contestants.items()
    }
    for name, median in medians.items():
        print(
            f"{name}: {batches * options.rows / median:.2f} sentences/s, ratio "
            f"{medians['ctranslate2'] / median:.2f}"
        )
    report(medians)


def zoo_timer(options, folder):
    """Decodes as many tokens as asked for; writes what CTranslate2 needs."""
    model, search = decoding_model(options)
    data = list(sources(options, model))
    export(options, model, data, folder)
    source, lengths = data[0]
    batch = {"source": source, "source_lengths": lengths}
    compiled = {}

    def step(size):
        model.search_with(same_length(search, size))
        if size not in compiled:
            model.make_predict_function()
            compiled[size] = model.predict_function
        model.predict_function = compiled[size]
        model.predict_on_batch(batch)

    return step


def ctranslate2_timer(options, folder):
    translate, data, how = ctranslate2_translator(options, folder)

    def step(size):
        limits = {"min_decoding_length": size, "max_decoding_length": size}
        translate(data[0], **how | limits)

    return step


def length_timer(options):
    theirs = options.contestant == "ctranslate2"
    timer = ctranslate2_timer if theirs else zoo_timer
    step = timer(options, Path(options.folder))
    for size in LENGTHS:
        step(size)
    serve(step, {})


def length(options):
    arguments = ["--length", options.length, "--rows", str(options.rows)]
    arguments += ["--size", str(options.size)]
    names = [*options.backends.split(","), "ctranslate2"]
    with tempfile.TemporaryDirectory() as folder:
        contestants = {}
        for name in names:
            contestants |= start([name], [*arguments, "--folder", folder])
        for _ in range(options.turns):
            for size in LENGTHS:
                for timer in contestants.values():
                    timer.step(size)
    for name, timer in contestants.items():
        medians = {
            size: statistics.median(timer.seconds[i :: len(LENGTHS)])
            for i, size in enumerate(LENGTHS)
        }
        exponent = np.polyfit(np.log(LENGTHS), np.log(list(medians.values())), 1)[0]
        for size, median in medians.items():
            print(f"{name}: {size} tokens, {median:.3f} s, {median / size:.4f} s each")
        print(f"{name}: time grows with length to the power of {exponent:.2f}")
        report(medians)


def exported_translations(folder, lines, **search):
    """What the export says, ranked as its serving.json has it."""
    import ctranslate2
    import sentencepiece

    described = json.loads((folder / "serving.json").read_text("utf-8"))
    source, target = (
        sentencepiece.SentencePieceProcessor(
            str(folder / described["tokenizers"][side])
        )
        for side in ("source", "target")
    )
    pieces = [source.id_to_piece(source.encode(line)) for line in lines]
    translator = ctranslate2.Translator(str(folder), compute_type="float32")
    options = described["translate_batch"] | search
    found = translator.translate_batch(pieces, max_batch_size=32, **options)
    alpha = described["length_penalty"]
    for texts in found:
        pairs = zip(texts.scores, texts.hypotheses, strict=True)
        best = max(pairs, key=lambda text: text[0] / (6 + len(text[1])) ** alpha)
        yield target.decode(target.piece_to_id(best[1]))


def agree(options):
    import sacrebleu

    from s2s_zoo.export.ctranslate2 import write_ctranslate2

    model, search = decoding_model(options)
    lines = Path(options.input).read_text("utf-8").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder, "model")
        write_ctranslate2(model.task.serving(model), exported)
        one = {"beam_size": 1, "num_hypotheses": 1, "patience": 1.0}
        for name, beam, theirs in (
            (search.signature, search.beam, {}),
            ("greedy", 1, one),
        ):
            written = {
                "s2s-zoo": model.generate(lines, beam=beam),
                "CTranslate2": list(exported_translations(exported, lines, **theirs)),
            }
            same = sum(a == b for a, b in zip(*written.values(), strict=True))
            print(f"{name}: {same} of {len(lines)} translations are identical")
            if options.references:
                wanted = Path(options.references).read_text("utf-8").splitlines()
                for who, texts in written.items():
                    print(f"    {who}: {sacrebleu.corpus_bleu(texts, [wanted])}")


def start(names, arguments):
    return {
        name: Contestant(
            __file__,
            [*arguments, "--contestant", name],
            KERAS_BACKEND=backend if backend in BACKENDS else "torch",
        )
        for name in names
        for backend in [name.removesuffix(COMPILED)]
    }


def report(medians):
    load = round(os.getloadavg()[0], 1)
    print(
        json.dumps({"median_seconds": medians, "cores": os.cpu_count(), "load": load})
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--train", nargs="?", const="transformer_base", metavar="PRESET")
    mode.add_argument("--decode", nargs="?", const="transformer_base", metavar="PRESET")
    mode.add_argument("--length", nargs="?", const="transformer_base", metavar="PRESET")
    mode.add_argument("--agree", action="store_true")
    parser.add_argument("--backends", default="", help="default: all to train, else TF")
    parser.add_argument("--turns", type=int, default=24)
    parser.add_argument("--rows", type=int, default=16, help="sentences of a batch")
    parser.add_argument("--size", type=int, default=32, help="tokens of a sentence")
    parser.add_argument("--written", type=int, default=32, help="tokens of each text")
    parser.add_argument("--run", help="run directory to decode with")
    parser.add_argument("--input", help="lines to translate with the run")
    parser.add_argument("--references", help="translations of the input by people")
    parser.add_argument("--search", default="", help="of the run, such as beam=4")
    parser.add_argument("--sentences", type=int, default=64, help="of the input")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.backends = options.backends or ",".join(
        BACKENDS if options.train else BACKENDS[:1]
    )
    if options.agree and not options.run:
        parser.error("--agree needs --run and --input")
    if options.run and not options.input:
        parser.error("--run needs --input, the lines to translate")
    if options.agree:
        agree(options)
        return
    of_mode = {
        "train": (train, trainer),
        "decode": (decode, decoder),
        "length": (length, length_timer),
    }
    chosen = next(mode for mode in of_mode if getattr(options, mode))
    of_mode[chosen][bool(options.contestant)](options)


if __name__ == "__main__":
    main()
