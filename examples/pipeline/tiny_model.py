"""A character model of two layers, small enough to train in a second: given three characters, it says the next one.

The weights are kept as safetensors (an 8-byte length, a JSON header, the arrays), written here in a dozen lines so that the
example needs nothing but NumPy.
"""

import json
import pathlib

import numpy as np

ALPHABET = "\n abcdefghijklmnopqrstuvwxyz.,?'"
CONTEXT = 3
WIDTH, HIDDEN = 12, 48


def new(seed):
    """Fresh weights. The seed may be of any size."""
    random = np.random.default_rng(seed)
    size = len(ALPHABET)

    def normal(*shape):
        return (random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    return {
        "embedding.weight": normal(size, WIDTH),
        "hidden.weight": normal(CONTEXT * WIDTH, HIDDEN),
        "hidden.bias": np.zeros(HIDDEN, np.float32),
        "output.weight": normal(HIDDEN, size),
        "output.bias": np.zeros(size, np.float32),
    }


def read_text(path):
    """The characters of a file as numbers; those outside the alphabet are spaces."""
    text = pathlib.Path(path).read_text(encoding="utf-8").lower()
    return np.array([ALPHABET.find(c) if c in ALPHABET else 1 for c in text])


def train(weights, characters, steps, rate, seed):
    """Plain stochastic gradient descent; returns the loss before and after."""
    random = np.random.default_rng(seed)
    windows = np.lib.stride_tricks.sliding_window_view(characters, CONTEXT + 1)
    first = loss(weights, windows)
    for _ in range(steps):
        batch = windows[random.integers(0, len(windows), 64)]
        for name, gradient in gradients(weights, batch).items():
            weights[name] -= (rate * gradient).astype(np.float32)
    return first, loss(weights, windows)


def forward(weights, batch):
    inputs = weights["embedding.weight"][batch[:, :CONTEXT]].reshape(len(batch), -1)
    hidden = np.tanh(inputs @ weights["hidden.weight"] + weights["hidden.bias"])
    scores = hidden @ weights["output.weight"] + weights["output.bias"]
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return inputs, hidden, scores / scores.sum(axis=1, keepdims=True)


def loss(weights, windows):
    _, _, chances = forward(weights, windows)
    return float(-np.log(chances[np.arange(len(windows)), windows[:, CONTEXT]]).mean())


def gradients(weights, batch):
    inputs, hidden, chances = forward(weights, batch)
    chances[np.arange(len(batch)), batch[:, CONTEXT]] -= 1
    chances /= len(batch)
    back = (chances @ weights["output.weight"].T) * (1 - hidden**2)
    embedding = np.zeros_like(weights["embedding.weight"])
    np.add.at(embedding, batch[:, :CONTEXT], (back @ weights["hidden.weight"].T).reshape(len(batch), CONTEXT, WIDTH))
    return {
        "embedding.weight": embedding,
        "hidden.weight": inputs.T @ back,
        "hidden.bias": back.sum(axis=0),
        "output.weight": hidden.T @ chances,
        "output.bias": chances.sum(axis=0),
    }


def save(directory, weights, card):
    """Writes the model: weights, configuration, model card."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True)
    header, offset = {}, 0
    for name, array in sorted(weights.items()):
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with open(directory / "model.safetensors", "wb") as out:
        out.write(len(encoded).to_bytes(8, "little") + encoded)
        for _, array in sorted(weights.items()):
            out.write(array.astype("<f4").tobytes())
    config = {"model_type": "tiny-characters", "context": CONTEXT, "alphabet": ALPHABET}
    (directory / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    (directory / "README.md").write_text(card, encoding="utf-8")


def load(directory):
    """Reads what `save` wrote."""
    data = (pathlib.Path(directory) / "model.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    body = data[8 + length :]
    weights = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        start, end = entry["data_offsets"]
        weights[name] = np.frombuffer(body[start:end], "<f4").reshape(entry["shape"]).copy()
    return weights
