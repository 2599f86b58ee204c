#!/usr/bin/env bash
# A search as a Slurm array: eight tasks, each with a GPU, each a part of the trials.
#   sbatch examples/cluster/slurm.sh
# A task that is requeued goes on where it was stopped. When all have ended:
#   cyclone search merge runs/lambda
#SBATCH --job-name=cyclone-search
#SBATCH --array=0-7
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=4
#SBATCH --time=00:30:00
#SBATCH --requeue
set -euo pipefail

# The part comes from SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT; without --shard the program says which it took.
exec cyclone search --range 1e-5:1e-1 --trials 200 --seed 1 --out runs/lambda --device gpu
