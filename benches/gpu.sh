#!/usr/bin/env bash
# Times on one GPU: a step at M = 1, 10 and 30, with streamed and resident images, the preset `best`, the steps of table 2,
# and the first layer's products; then the peers' scripts on the same GPU.
#
#   benches/gpu.sh [PEERS_DIR [DATA]]
#
# PEERS_DIR has torch_step.py and jax_step.py; DATA is a value for --data (default: auto). DEVICE=gpu:1 selects another GPU.
# A software adapter is measured too, with a note and with fewer steps.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
peers=${1:-} data=${2:-auto} device=${DEVICE:-gpu}

cargo build --release --quiet
cyclone=${CARGO_TARGET_DIR:-target}/release/cyclone
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for models in 1 10 30; do
  "$cyclone" profile --device "$device" --data "$data" --models $models --json >"$work/$models.json"
done
for feed in stream resident; do
  "$cyclone" profile --device "$device" --data "$data" --feed $feed --json >"$work/$feed.json"
done
software=$(python3 -c "import json, sys; print(json.load(open(sys.argv[1]))['devices'][0]['device']['adapter_type'] == 'software')" "$work/1.json")
if [ "$software" = True ]; then
  echo "note: a software adapter: its times say nothing about a GPU; only 20 steps of the preset and 2 of table 2" >&2
  preset=(--steps 20) table=2
else
  preset=() table=7200
fi
# Table 2: 30 models, 4 cycles of 1,800 steps.
"$cyclone" profile --device "$device" --data "$data" --models 30 --steps $table --repeats 3 --json >"$work/table.json"
"$cyclone" train --preset best --device "$device" --data "$data" "${preset[@]}" --quiet --out "$work/best"

python3 - "$work" <<'PY'
import json, sys
read = lambda name: json.load(open(f"{sys.argv[1]}/{name}"))
first = read("1.json")["devices"][0]
most = first["ceilings"]
print(first["name"])
print(f"measured peak: {most['flops_per_second'] / 1e9:,.0f} GFLOP/s, {most['bytes_per_second'] / 1e9:.0f} GB/s, "
      f"an empty dispatch {most['dispatch_seconds'] * 1e6:.2f} µs; start-up {first['start_up']['seconds']:.3f} s\n")
print(f"{'M':>4}{'µs/step':>12}{'µs/model-step':>16}{'spread':>9}{'images/s':>12}{'GFLOP/s':>10}{'of peak':>9}")
for models in (1, 10, 30):
    t = read(f"{models}.json")["devices"][0]["throughput"]
    step, rate = t["seconds_a_step"] * 1e6, t["flops_per_second"]
    print(f"{models:>4}{step:>12,.1f}{step / models:>16,.2f}{t['spread']:>9.1%}{t['images_per_second']:>12,.0f}"
          f"{rate / 1e9:>10,.1f}{rate / most['flops_per_second']:>9.1%}")
print()
for feed in ("stream", "resident"):
    t = read(f"{feed}.json")["devices"][0]["throughput"]
    print(f"--feed {feed:<9}{t['seconds_a_step'] * 1e6:>8,.1f} µs/step, {t['images_per_second']:,.0f} images/s, spread {t['spread']:.1%}")
best = read("best/summary.json")
seconds = best["seconds"]
print(f"\npreset best, {best['steps']:,} steps: {seconds['training']:.3f} s of training, {seconds['evaluation']:.3f} s of evaluations")
t = read("table.json")["devices"][0]["throughput"]
print(f"table 2's steps, 30 models × {t['steps']:,}: {t['seconds_a_step'] * t['steps']:.3f} s of training")
PY
echo
"$cyclone" profile --matmul --device "$device"

[ -n "$peers" ] || exit 0
echo
echo "── peers"
python3 "$peers/torch_step.py" || echo "torch_step.py did not run"
python3 "$peers/jax_step.py" --precision highest || echo "jax_step.py did not run"
