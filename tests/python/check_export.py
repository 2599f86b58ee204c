"""Runs a network's exports in other programs and compares their logits with the CPU engine's.

usage: check_export.py FOLDER TOLERANCE
FOLDER has model.onnx, model.npz, model.safetensors, pixels.u8 [N, 3, 32, 32] and logits.f32 [N, C].
"""

import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime
import safetensors.numpy

folder, tolerance = Path(sys.argv[1]), float(sys.argv[2])
pixels = numpy.fromfile(folder / "pixels.u8", numpy.uint8).reshape(-1, 3, 32, 32)
logits = numpy.fromfile(folder / "logits.f32", numpy.float32).reshape(len(pixels), -1)
assert numpy.isfinite(logits).all() and logits.std() > 0.1, "the engine's logits say something"
failed = False


def compare(name, found):
    global failed
    assert found.shape == logits.shape, f"{name}: {found.shape}, expected {logits.shape}"
    assert numpy.isfinite(found).all(), f"{name}: not finite"
    difference = numpy.abs(found - logits).max()
    same = (found.argmax(1) == logits.argmax(1)).sum()
    ok = difference <= tolerance
    failed = failed or not ok
    print(f"{name}: largest difference of logits {difference:.2e} of {len(pixels)} images, "
          f"{same} same answers: {'ok' if ok else 'TOO LARGE'}")


def forward(tensors, pixels):
    x = (pixels.reshape(len(pixels), -1).astype(numpy.float32) - tensors["mean"]) * tensors["scale"]
    hidden = numpy.maximum(x @ tensors["fc1.weight"].T + tensors["fc1.bias"], 0)
    return hidden @ tensors["fc2.weight"].T + tensors["fc2.bias"]


path = str(folder / "model.onnx")
onnx.checker.check_model(path, full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
found, probabilities = session.run(["logits", "probabilities"], {"pixels": pixels})
compare(f"onnxruntime {onnxruntime.__version__}", found)
softmax = numpy.exp(found - found.max(1, keepdims=True))
assert numpy.abs(probabilities - softmax / softmax.sum(1, keepdims=True)).max() <= 1e-6, "probabilities"
assert session.run(["logits"], {"pixels": pixels[:1]})[0].shape == (1, logits.shape[1]), "one image alone"

npz = numpy.load(folder / "model.npz", allow_pickle=False)
compare(f"npz, NumPy {numpy.__version__}", forward(npz, pixels))
classes = session.get_modelmeta().custom_metadata_map["classes"]
assert list(npz["classes"]) == __import__("json").loads(classes), "class names"

tensors = safetensors.numpy.load_file(folder / "model.safetensors")
assert sorted(tensors) == ["fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight", "mean", "scale"]
compare("safetensors, NumPy", forward(tensors, pixels))

try:
    import torch
    from safetensors.torch import load_file
except ImportError:
    print("PyTorch: not installed, so load_state_dict was not tried")
else:

    class Network(torch.nn.Module):
        def __init__(self, inputs, hidden, classes):
            super().__init__()
            self.register_buffer("mean", torch.zeros(inputs))
            self.register_buffer("scale", torch.ones(inputs))
            self.fc1 = torch.nn.Linear(inputs, hidden)
            self.fc2 = torch.nn.Linear(hidden, classes)

        def forward(self, pixels):
            x = (pixels.flatten(1).float() - self.mean) * self.scale
            return self.fc2(torch.relu(self.fc1(x)))

    hidden, inputs = tensors["fc1.weight"].shape
    network = Network(inputs, hidden, logits.shape[1])
    network.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    with torch.no_grad():
        compare(f"load_state_dict, PyTorch {torch.__version__}", network(torch.from_numpy(pixels)).numpy())

sys.exit(failed)
