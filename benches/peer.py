"""A peer's step of any network on this project's work, float32 on the CPU: benches/peer.py numpy|jax HIDDEN BATCH

HIDDEN is a list such as 1000,500,100. Images are standardised beforehand, and gathered in the step. Prints the median and the
least time of five repetitions.
"""
import os, sys, time

os.environ["JAX_PLATFORMS"] = "cpu"
import numpy as np

peer, hidden, B = sys.argv[1], [int(units) for units in sys.argv[2].split(",")], int(sys.argv[3])
n, steps, sizes = 10_000, 30, [3072, *hidden, 10]
rng = np.random.default_rng(0)
X = rng.normal(size=(n, 3072)).astype(np.float32)
Y = rng.integers(0, 10, n)
orders = [rng.permutation(n)[: n // B * B].reshape(-1, B)[:steps] for _ in range(6)]
params = [
    (rng.normal(size=(i, o)).astype(np.float32) / np.float32(i**0.5), np.zeros(o, np.float32))
    for i, o in zip(sizes, sizes[1:])
]


def with_numpy():
    classes = np.eye(10, dtype=np.float32)[Y]

    def run(order):
        for rows in order:
            outputs = [X[rows]]
            for W, b in params:
                z = outputs[-1] @ W
                z += b
                if len(outputs) < len(params):
                    np.maximum(z, 0, out=z)
                outputs.append(z)
            p = np.exp(outputs[-1] - outputs[-1].max(1, keepdims=True))
            g = (p / p.sum(1, keepdims=True) - classes[rows]) / np.float32(B)
            for layer in reversed(range(len(params))):
                (W, b), a = params[layer], outputs[layer]
                back = (g @ W.T) * (a > 0) if layer else None
                dW = a.T @ g
                dW += np.float32(0.01) * W
                dW *= np.float32(0.01)
                W -= dW
                b -= np.float32(0.01) * g.sum(0)
                g = back

    return np.__version__, run


def with_jax():
    import jax, jax.numpy as jnp

    images, labels, state = jnp.asarray(X), jnp.asarray(Y), [jax.tree.map(jnp.asarray, params)]

    def cost(p, x, y):
        for W, b in p[:-1]:
            x = jax.nn.relu(x @ W + b)
        s = x @ p[-1][0] + p[-1][1]
        loss = -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(s), y[:, None], 1))
        return loss + 0.005 * sum((W**2).sum() for W, _ in p)

    def step(p, rows):
        return jax.tree.map(lambda w, g: w - 0.01 * g, p, jax.grad(cost)(p, images[rows], labels[rows])), None

    epoch = jax.jit(lambda p, order: jax.lax.scan(step, p, order)[0], donate_argnums=0)

    def run(order):
        state[0] = jax.block_until_ready(epoch(state[0], jnp.asarray(order)))

    return jax.__version__, run


version, run = {"numpy": with_numpy, "jax": with_jax}[peer]()
times = []
for order in orders:
    start = time.perf_counter()
    run(order)
    times.append((time.perf_counter() - start) / len(order) * 1e3)
warm = sorted(times[1:])
print(f"{peer} {version}: {warm[2]:.2f} ms/step, least {warm[0]:.2f}")
