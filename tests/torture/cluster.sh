#!/bin/sh
# Runs the job script of docs/resume.md with stand-ins for Slurm and the program's place:
# cluster.sh PROGRAM SOURCE FOLDER CONFIG. The first job is warned of its time limit in the
# middle of the run and must ask to be queued again; the second must end the run.
set -eu
program=$1 source=$2 folder=$3 config=$4

mkdir -p "$folder/bin"
cd "$folder"
ln -sf "$source/data" data
awk '/^```sh$/ {on = 1; next} /^```$/ {on = 0} on' "$source/docs/resume.md" |
    sed "s|config.py --work-dir [^ ]*|$config --work-dir run|" >job.sh
grep -q '^#SBATCH --signal=B:USR1@' job.sh
sh -n job.sh
printf '#!/bin/sh\necho "$@" >>requeued.txt\n' >bin/scontrol
printf '#!/bin/sh\nexec "%s" "$@"\n' "$program" >bin/mmengine
chmod +x bin/scontrol bin/mmengine
export PATH="$folder/bin:$PATH" SLURM_CPUS_PER_TASK=1 SLURM_JOB_ID=4711

# the script ends as scontrol does, which takes its place
MM_SIGNAL='after_train_iter 33 PARENT' sh job.sh >out.txt 2>&1
grep -qx 'requeue 4711' requeued.txt
grep -q 'stopping after this iteration' out.txt
sh job.sh >>out.txt 2>&1
test "$(wc -l <requeued.txt)" -eq 1
