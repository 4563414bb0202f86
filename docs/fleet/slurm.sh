#!/usr/bin/env bash
# A list of videos on SLURM: sbatch slurm.sh jobs.csv results
#
# Starts a Ray cluster on the nodes of the allocation and runs the command on the first one. The list, the
# sources and the results lie on a file system that all nodes share; submitting it again continues.
#SBATCH --job-name=persam-video
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=4
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

jobs=${1:?give the list of jobs}
out=${2:?give a folder for the results}
# the environment in which persam-video[ray] is installed, on the shared file system
source "${PERSAM_VIDEO_ENV:-$HOME/persam-video}/bin/activate"

# only who has this token may run code on the cluster
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED=0
# a disk of the node, if it has one: videos are tracked there before their results are moved
export TMPDIR=${SLURM_TMPDIR:-/tmp}

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 20000))
ray_node() {
  srun --nodes="$1" --ntasks="$1" --overlap "${@:2}" --block \
    --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --object-store-memory=200000000 &
}
ray_node 1 --nodelist="$first" ray start --head --port="$port" --include-dashboard=false
until srun --nodes=1 --ntasks=1 --overlap --nodelist="$first" ray status --address="$first:$port" >/dev/null 2>&1; do
  sleep 2
done
if ((SLURM_JOB_NUM_NODES > 1)); then
  ray_node $((SLURM_JOB_NUM_NODES - 1)) --exclude="$first" ray start --address="$first:$port"
fi

# SIGTERM, which comes two minutes before the end of the time, ends the command as Ctrl-C does
srun --nodes=1 --ntasks=1 --overlap --nodelist="$first" \
  persam-video batch "$jobs" --out "$out" --ray "$first:$port" --cores-per-worker 4 --resume &
trap 'kill -TERM $!' TERM
wait $!
