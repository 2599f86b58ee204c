#!/usr/bin/env bash
# A search as a Slurm array: eight tasks with a GPU each train a shard of the trials.
#   sbatch examples/cluster/slurm.sh
# A requeued task resumes its shard. When all have finished:
#   cyclone search merge runs/lambda
#SBATCH --job-name=cyclone-search
#SBATCH --array=0-7
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=4
#SBATCH --time=00:30:00
#SBATCH --requeue
set -euo pipefail

# The shard comes from SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT; the program says which one it is.
exec cyclone search --range 1e-5:1e-1 --trials 200 --seed 1 --out runs/lambda --device gpu
