#!/bin/bash
# A Slurm cluster of this one machine, without job accounting, for the tests.
#
#   unshare --mount --pid --fork --kill-child --mount-proc tests/slurm/cluster.sh FOLDER
#
# As root, with Debian's slurm-wlm and munge. It lives in mount and process namespaces of its own:
# nothing in /etc or /run changes, and all of it ends with the unshare process. Writes
# FOLDER/ready once the node is idle; FOLDER/log says why not. SLURMCTLD_PORT and SLURMD_PORT: two
# free ports.
set -euo pipefail
folder=$1
host=$(hostname -s)
mkdir -p "$folder"/{etc,munge,spool,state,log}

# Slurm's step daemon drops SLURM_CONF, so the configuration must stand in /etc/slurm.
mount --make-rprivate /
mkdir -p /etc/slurm
mount --bind "$folder/etc" /etc/slurm
mount -t tmpfs tmpfs /run
mkdir -p /run/munge

(umask 077 && dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 status=none)
munged --force --key-file="$folder/munge/key" --seed-file="$folder/munge/seed" \
  --log-file="$folder/log/munged.log"

cat > /etc/slurm/slurm.conf <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$SLURMCTLD_PORT
SlurmdPort=$SLURMD_PORT
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=20
KillWait=2
OverTimeLimit=0
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmdSpoolDir=$folder/spool
StateSaveLocation=$folder/state
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF

unset SLURM_CONF
slurmctld -c
slurmd
for _ in $(seq 100); do
  if timeout 2 sinfo --noheader --format=%T 2> /dev/null | grep -q idle; then
    touch "$folder/ready"
    # As the first process of the namespace this one also reaps what is orphaned in it.
    while true; do sleep 3600 & wait $! || true; done
  fi
  sleep 0.2
done
echo "Slurm did not start" >&2
tail -n 5 "$folder"/log/*.log >&2
exit 1
