#!/usr/bin/env bash
# Compares the CPU engine with NumPy and JAX, in turns on the same machine in the same minute.
#
#   benches/cpu.sh PEERS_DIR [ROUNDS]
#
# PEERS_DIR has numpy_step.py and jax_step.py; PYTHON is an interpreter with their packages. Each round (default: 3 rounds)
# runs all of them once, so that a slow moment of the machine affects all of them. Environment variables that make NumPy's
# OpenBLAS choose other kernels than the CPU's best are unset: with Haswell's, NumPy takes 1.2 times as long on a Zen 5.
set -euo pipefail
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
cd "$(dirname "${BASH_SOURCE[0]}")/.."
peers=${1:?usage: benches/cpu.sh PEERS_DIR [ROUNDS]} rounds=${2:-3} python=${PYTHON:-python3}

cargo build --release --quiet
cyclone=${CARGO_TARGET_DIR:-target}/release/cyclone

profile() {
  "$cyclone" profile --device cpu --data synthetic --models "$1" --repeats 5 --json 2>/dev/null | "$python" -c "
import json, sys
t = json.load(sys.stdin)['devices'][0]['throughput']
ms = t['seconds_a_step'] * 1e3
print(f'cyclone: $1 models, {ms:.3f} ms/step, {ms / $1:.3f} ms/model-step, spread {t[\"spread\"]:.1%}, {t[\"flops_per_second\"] / 1e9:.0f} GFLOP/s')"
}

for round in $(seq "$rounds"); do
  echo "── round $round of $rounds"
  "$python" "$peers/numpy_step.py" || echo "numpy_step.py did not run"
  profile 1
  JAX_PLATFORMS=cpu "$python" "$peers/jax_step.py" --precision highest --models 1 10 || echo "jax_step.py did not run"
  profile 10
done
