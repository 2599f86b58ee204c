#!/usr/bin/env bash
# Compares the CPU engine on wide and deep networks with NumPy and JAX, in turns on the same machine in the same minute, and
# shows its rate as a share of the machine's: that of gemm's product in cache on all threads, measured between the repetitions.
#
#   benches/wide.sh [ROUNDS]
#
# PYTHON is an interpreter with numpy and jax. Each round (default: 3) runs all three on each shape, so that a slow moment of
# the machine affects all of them. As in cpu.sh, NumPy's OpenBLAS chooses the CPU's best kernels.
set -euo pipefail
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=${1:-3} python=${PYTHON:-python3}

cargo build --release --quiet
cyclone=${CARGO_TARGET_DIR:-target}/release/cyclone

profile() {
  "$cyclone" profile --device cpu --data synthetic --hidden "$1" --batch-size "$2" --steps 30 --repeats 5 --json 2>/dev/null |
    "$python" -c "
import json, sys
device = json.load(sys.stdin)['devices'][0]
t, most = device['throughput'], device['ceilings']['flops_per_second']
share = t['flops_per_second'] / most
median, least = t['seconds_a_step'] * 1e3, min(t['seconds']) / t['steps'] * 1e3
print(f'cyclone: {median:.2f} ms/step, least {least:.2f}; {share:.0%} of {most / 1e9:.0f} GFLOP/s, at the least {share * median / least:.0%}')"
}

for round in $(seq "$rounds"); do
  for hidden in 1000 1000,500,100; do
    for batch in 100 256; do
      echo "── round $round of $rounds: 3072-${hidden//,/-}-10, B = $batch"
      "$python" benches/peer.py numpy "$hidden" "$batch" || echo "numpy did not run"
      profile "$hidden" "$batch"
      "$python" benches/peer.py jax "$hidden" "$batch" || echo "jax did not run"
    done
  done
done
