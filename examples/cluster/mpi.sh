#!/usr/bin/env bash
# One MPI job on several machines: rank 0 distributes trials to all ranks, each with its own GPU, and writes one folder.
#   sbatch examples/cluster/mpi.sh
# Build on the cluster, against its MPI: cargo build --release --features mpi
# The same command resumes a stopped job.
#SBATCH --job-name=cyclone-search
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --time=00:30:00
#SBATCH --requeue
set -euo pipefail

# Rank n of a machine uses its n-th GPU. Without --bind-to none Open MPI gives each rank a single core.
# By hand: mpirun -n 8 -H one:4,two:4 --bind-to none cyclone …
mpirun --bind-to none cyclone search --range 1e-5:1e-1 --trials 200 --seed 1 --out runs/lambda-mpi --device gpu

# One training on all ranks: each has its own shuffles, and the weights are averaged at the end of every cycle.
#   mpirun --bind-to none cyclone train --preset best --device gpu --out runs/best-mpi
