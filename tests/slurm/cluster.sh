#!/usr/bin/env bash
# A Slurm cluster of two nodes on this one machine, for trying profiles/slurm: a controller, two slurmd and a munged,
# all of them on loopback, with every file in one folder. It needs neither root, systemd, cgroups nor a database.
#
#   tests/slurm/cluster.sh up FOLDER      start it; FOLDER is made, and must not exist yet
#   tests/slurm/cluster.sh down FOLDER    end its daemons and jobs; FOLDER stays, with the logs
#
# Between the two, `. FOLDER/environment` points a shell's sbatch, squeue and snakemake to it.
set -euo pipefail

NODES=2
CPUS=2          # promised by each node, whatever the machine has: few enough that jobs spread over the nodes
MEMORY=32000    # MB, promised likewise; nothing holds a job to what it asked for

fail() { echo "error: $*" >&2 && exit 2; }

# Print the numbers of so many TCP ports that nobody listens on.
free_ports() {
    python3 -c "import socket; held = [socket.create_server(('127.0.0.1', 0)) for _ in range($1)]
print(*(server.getsockname()[1] for server in held))"
}

# Wait until the rest of the line succeeds; complain with the first argument after half a minute.
await() {
    for _ in $(seq 60); do
        if "${@:2}" >"$folder/await.log" 2>&1; then return; fi
        sleep 0.5
    done
    cat "$folder/await.log" "$folder"/log/*.log >&2
    fail "$1"
}

nodes_are_idle() { [ "$(sinfo --noheader --Node --states=idle --format=%N | sort -u | wc -l)" = "$NODES" ]; }

up() {
    local missing=()
    for command in munged mungekey slurmctld slurmd sbatch srun squeue scontrol sinfo; do
        PATH=$PATH:/usr/sbin command -v "$command" >/dev/null || missing+=("$command")
    done
    if ((${#missing[@]})); then
        fail "${missing[*]} not found. Install Slurm and munge first, on Debian: apt-get install slurm-wlm munge"
    fi
    [ ! -e "$folder" ] || fail "$folder exists already. Name a folder that does not, or take it down and delete it."
    mkdir -p "$folder"/{bin,log,munge,state}
    chmod 755 "$folder" "$folder/munge"

    # A key of this cluster's own: munged serves one socket in the folder, and nobody else knows the key.
    mungekey --create --keyfile="$folder/munge/key"
    munged --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge.pid" \
        --log-file="$folder/log/munged.log" --seed-file="$folder/munge/seed"

    local ports host
    read -ra ports < <(free_ports $((NODES + 1)))
    host=$(hostname -s)
    cat >"$folder/slurm.conf" <<CONF
ClusterName=vlac
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
PartitionName=batch Nodes=node[1-$NODES] Default=YES MaxTime=INFINITE State=UP
CONF
    for number in $(seq "$NODES"); do
        mkdir "$folder/spool-node$number"
        echo "NodeName=node$number NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[$number]}" \
            "CPUs=$CPUS RealMemory=$MEMORY" >>"$folder/slurm.conf"
    done

    # Inside a job the executor takes SLURM_CONF from srun's environment, so srun is one here that knows its cluster.
    printf '#!/bin/sh\nSLURM_CONF=%q exec %q "$@"\n' "$folder/slurm.conf" "$(command -v srun)" >"$folder/bin/srun"
    chmod +x "$folder/bin/srun"
    printf 'export SLURM_CONF=%q PATH=%q:$PATH\n' "$folder/slurm.conf" "$folder/bin" >"$folder/environment"

    . "$folder/environment"
    PATH=$PATH:/usr/sbin
    slurmctld
    for number in $(seq "$NODES"); do
        slurmd -N "node$number"
    done
    await "the nodes did not come up; the logs above are from $folder/log" nodes_are_idle
    sinfo --Node --long
    echo "The cluster is up. Point this shell to it: . $folder/environment"
}

down() {
    [ -f "$folder/slurm.conf" ] || fail "$folder holds no cluster."
    . "$folder/environment"
    local file pid pids=()
    # Jobs first: a slurmd that ends leaves the processes of its jobs alone.
    squeue --noheader --format=%A | xargs --no-run-if-empty scancel || true
    for _ in $(seq 40); do [ -n "$(squeue --noheader 2>/dev/null)" ] && sleep 0.5 || break; done
    for file in "$folder"/slurmd-*.pid "$folder"/slurmctld.pid "$folder"/munge.pid; do
        if [ -f "$file" ] && pid=$(cat "$file") && kill "$pid" 2>/dev/null; then pids+=("$pid"); fi
    done
    for pid in "${pids[@]}"; do
        for _ in $(seq 40); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.5
        done
    done
    rm -f "$folder/munge/key"
    echo "The cluster is down; its logs are in $folder/log"
}

[ $# = 2 ] || fail "usage: tests/slurm/cluster.sh up|down FOLDER"
folder=$(realpath -m "$2")
case $1 in
    up) up ;;
    down) down ;;
    *) fail "$1 is neither up nor down." ;;
esac
