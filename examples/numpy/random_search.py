"""Chapter 6's random search as the book writes it, in NumPy, to be timed against the crate's.

    python3 -m pip install numpy
    python3 examples/numpy/random_search.py

It runs both searches, (a) and (b), for 10,000 iterations on the book's vertical data on one thread
and prints how many iterations it does in a second of processor time, so that a busy machine does
not count. The classes are the book's, without what this chapter does not need.
"""

import json
import os
import struct
import time

# Products this small only lose by threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

ITERATIONS = 10_000
DATA = os.path.join(os.path.dirname(__file__), "../../tests/golden/book_vertical.safetensors")


def vertical_data():
    """The points and classes in the file: a length, a header in JSON, and the numbers."""
    with open(DATA, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, body = json.loads(file.read(length)), file.read()

    def tensor(name, dtype):
        start, end = header[name]["data_offsets"]
        return np.frombuffer(body[start:end], dtype).reshape(header[name]["shape"])

    return tensor("x", np.float32), tensor("y", np.uint8)


class Layer_Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = (0.01 * np.random.randn(n_inputs, n_neurons)).astype(np.float32)
        self.biases = np.zeros((1, n_neurons), dtype=np.float32)

    def forward(self, inputs):
        self.output = np.dot(inputs, self.weights) + self.biases


class Activation_ReLU:
    def forward(self, inputs):
        self.output = np.maximum(0, inputs)


class Activation_Softmax:
    def forward(self, inputs):
        exp_values = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = exp_values / np.sum(exp_values, axis=1, keepdims=True)


class Loss_CategoricalCrossentropy:
    def calculate(self, output, y):
        clipped = np.clip(output, 1e-7, 1 - 1e-7)
        return np.mean(-np.log(clipped[range(len(output)), y]))


def search(X, y, change):
    """Lowest loss, its accuracy and iterations per second; `change` is strategy (b)."""
    dense1, dense2 = Layer_Dense(2, 3), Layer_Dense(3, 3)
    activation1, activation2 = Activation_ReLU(), Activation_Softmax()
    loss_function = Loss_CategoricalCrossentropy()
    lowest_loss, best_accuracy = 9999999, 0.0
    best = [p.copy() for p in (dense1.weights, dense1.biases, dense2.weights, dense2.biases)]
    start = time.process_time()
    for _ in range(ITERATIONS):
        steps = [(0.05 * np.random.randn(*p.shape)).astype(np.float32) for p in best]
        tried = [p + step for p, step in zip(best, steps)] if change else steps
        dense1.weights, dense1.biases, dense2.weights, dense2.biases = tried
        dense1.forward(X)
        activation1.forward(dense1.output)
        dense2.forward(activation1.output)
        activation2.forward(dense2.output)
        loss = loss_function.calculate(activation2.output, y)
        predictions = np.argmax(activation2.output, axis=1)
        accuracy = np.mean(predictions == y)
        if loss < lowest_loss:
            best = [p.copy() for p in tried]
            lowest_loss, best_accuracy = loss, accuracy
    return lowest_loss, best_accuracy, ITERATIONS / (time.process_time() - start)


if __name__ == "__main__":
    np.random.seed(0)
    X, y = vertical_data()
    for name, change in [("(a) drawn anew", False), ("(b) changed, kept if better", True)]:
        loss, accuracy, rate = search(X, y, change)
        print(f"{name}: loss {loss:.4f}, accuracy {accuracy:.4f}, {rate:.0f} iterations per second")
