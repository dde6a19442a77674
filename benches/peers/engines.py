"""JAX and PyTorch as peers, each as its users would write it: jitted, or eager.

A server for src/python.rs: every line of standard input is a request in JSON, every answer a line.
    {"prepare": "gemm", "case": {...}}    -> {"engines": ["jax", "pytorch"]}
    {"time": "jax", "calls": 10}          -> {"seconds": 0.0012}
The number of threads is the only argument. JAX takes one for each processor that it may run on; on Linux src/main.rs
leaves it as many.
"""

import importlib
import json
import os
import sys
import time

LEARNING_RATE = 1e-9


def main():
    threads = int(sys.argv[1])
    os.environ["JAX_PLATFORMS"] = "cpu"
    modules = {"jax": ("jax", jax_functions), "pytorch": ("torch", torch_functions)}
    installed = {}
    for name, (module, functions) in modules.items():
        try:
            importlib.import_module(module)
        except ImportError:
            continue
        installed[name] = functions(threads)
    # Whatever the libraries print must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    functions = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "prepare" in request:
            functions = {
                name: tables[request["prepare"]](**request["case"])
                for name, tables in installed.items()
            }
            answer = {"engines": list(functions)}
        else:
            answer = {"seconds": functions[request["time"]](request["calls"])}
        print(json.dumps(answer), file=answers, flush=True)


def timed(function, wait=lambda result: None):
    """A function that calls another several times and returns the seconds that took."""

    def seconds(calls):
        start = time.perf_counter()
        for _ in range(calls):
            wait(function())
        return time.perf_counter() - start

    return seconds


def operands(m, n, k, layout):
    """The shapes that A and B have in memory."""
    a = (k, m) if layout == "a_transposed" else (m, k)
    b = (n, k) if layout == "b_transposed" else (k, n)
    return a, b


def jax_functions(_threads):
    import jax
    import jax.numpy as jnp

    def normal(*shape):
        return jax.random.normal(jax.random.key(0), shape, jnp.float32)

    def labels(batch, classes):
        return jax.random.randint(jax.random.key(1), (batch,), 0, classes)

    def cross_entropy(logits, labels):
        log_probabilities = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(log_probabilities, labels[:, None], axis=1).mean()

    def gemm(m, n, k, layout):
        a, b = (normal(*shape) for shape in operands(m, n, k, layout))

        @jax.jit
        def product(a, b):
            return jnp.matmul(a.T if layout == "a_transposed" else a, b.T if layout == "b_transposed" else b)

        return timed(lambda: product(a, b), jax.block_until_ready)

    def softmax_cross_entropy(batch, classes):
        logits, targets = normal(batch, classes), labels(batch, classes)
        function = jax.jit(jax.value_and_grad(cross_entropy))
        return timed(lambda: function(logits, targets), jax.block_until_ready)

    def training(sizes, batch):
        inputs, targets = normal(batch, sizes[0]), labels(batch, sizes[-1])

        def loss(parameters, inputs, targets):
            for weights, biases in parameters[:-1]:
                inputs = jax.nn.relu(inputs @ weights + biases)
            weights, biases = parameters[-1]
            return cross_entropy(inputs @ weights + biases, targets)

        def step(parameters, inputs, targets):
            value, gradients = jax.value_and_grad(loss)(parameters, inputs, targets)
            move = lambda parameter, gradient: parameter - LEARNING_RATE * gradient
            return jax.tree.map(move, parameters, gradients), value

        step = jax.jit(step, donate_argnums=0)
        layers = zip(sizes, sizes[1:])
        parameters = [(0.05 * normal(*layer), jnp.zeros(layer[1])) for layer in layers]

        def seconds(calls):
            nonlocal parameters
            start = time.perf_counter()
            for _ in range(calls):
                parameters, value = step(parameters, inputs, targets)
            jax.block_until_ready((parameters, value))
            return time.perf_counter() - start

        return seconds

    return {"gemm": gemm, "softmax_cross_entropy": softmax_cross_entropy, "training": training}


def torch_functions(threads):
    import torch

    torch.set_num_threads(threads)

    def labels(batch, classes):
        return torch.randint(classes, (batch,))

    def gemm(m, n, k, layout):
        a, b = (torch.randn(shape) for shape in operands(m, n, k, layout))
        a = a.T if layout == "a_transposed" else a
        b = b.T if layout == "b_transposed" else b
        c = torch.empty(m, n)
        return timed(lambda: torch.mm(a, b, out=c))

    def softmax_cross_entropy(batch, classes):
        logits, targets = torch.randn(batch, classes, requires_grad=True), labels(batch, classes)

        def function():
            loss = torch.nn.functional.cross_entropy(logits, targets)
            return torch.autograd.grad(loss, logits)

        return timed(function)

    def training(sizes, batch):
        inputs, targets = torch.randn(batch, sizes[0]), labels(batch, sizes[-1])
        layers = []
        for layer in zip(sizes, sizes[1:]):
            layers += [torch.nn.Linear(*layer), torch.nn.ReLU()]
        model = torch.nn.Sequential(*layers[:-1])
        sgd = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)

        def step():
            sgd.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            sgd.step()

        return timed(step)

    return {"gemm": gemm, "softmax_cross_entropy": softmax_cross_entropy, "training": training}


if __name__ == "__main__":
    main()
