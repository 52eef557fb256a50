#!/bin/bash
# First process of a sandbox host.  Builds the host's own view of this machine, then starts the daemons whose names
# it reads from a pipe; its death is the host's death.  bash, because it reaps adopted orphans while it reads.
#
#   init.sh FOLDER HOST CGROUPS STAGE     root, in new mount, UTS, IPC and PID namespaces; CGROUPS is 1 or 2
set -euo pipefail
folder=$1 host=$2 cgroups=$3 stage=$4
disk=$folder/hosts/$host
new=/tmp/new
if [ "$cgroups" = 1 ]; then controllers="memory freezer"; else controllers=unified; fi

join_cgroup() { # $1: a hierarchy's root
    local own
    own=$1/$(<"$folder/prefix")/$host
    if [ -d "$own" ]; then find "$own" -depth -type d -exec rmdir {} + 2>/dev/null || true; fi
    mkdir -p "$own"
    if [ "$cgroups" = 2 ]; then
        delegate "$1"
        delegate "${own%/*}"
    fi
    echo $$ >"$own/cgroup.procs"
}

delegate() { # slurmd 22.05 overlooks the last controller of a list: pids keeps memory from being the last
    echo "+memory +pids" >"$1/cgroup.subtree_control"
}

mount_hierarchy() { # $1: where; $2: the controller of a version 1 hierarchy
    local seen
    seen=$(findmnt -rn -t cgroup2 -o TARGET | head -n 1 || true)
    if [ "$cgroups" = 1 ]; then
        mount -n -t cgroup -o "$2" none "$1"
    elif [ -n "$seen" ]; then # a new mount would reset the options of this machine's own
        mount -n --bind "$seen" "$1"
    else
        mount -n -t cgroup2 -o nsdelegate,memory_recursiveprot none "$1"
    fi
}

own_cgroup() { # a cgroup of the host's own, then a namespace in which it is the root
    mount -n -t tmpfs -o mode=1777 none /tmp
    mkdir "$new"
    for controller in $controllers; do
        mount_hierarchy "$new" "$controller"
        join_cgroup "$new"
        umount "$new"
    done
    exec unshare --cgroup /bin/bash "$0" "$folder" "$host" "$cgroups" settle
}

mount_cgroups() { # as the namespace shows them
    if [ "$cgroups" = 2 ]; then
        # a file system may not be mounted right on top of itself, but moved there
        mount -n -t cgroup2 none "$new"
        mount -n --move "$new" /sys/fs/cgroup
        # no process may live beside child groups
        mkdir -p /sys/fs/cgroup/init.scope /sys/fs/cgroup/system.slice
        echo $$ >/sys/fs/cgroup/init.scope/cgroup.procs
        delegate /sys/fs/cgroup
        delegate /sys/fs/cgroup/system.slice
        # a job step's daemon leaves for the root group at its end, as it may on a real machine
        mount -n --bind /sys/fs/cgroup/init.scope/cgroup.procs /sys/fs/cgroup/cgroup.procs
    else
        mount -n -t tmpfs -o mode=755 none /sys/fs/cgroup
        for controller in $controllers; do
            mkdir "/sys/fs/cgroup/$controller"
            mount -n -t cgroup -o "$controller" none "/sys/fs/cgroup/$controller"
        done
    fi
}

mount_run() { # hides the instance's folder, keys included, from everything on this host but its own part
    mount -n -t tmpfs -o mode=755 none "$new"
    mkdir "$new/disk" "$new/sshd" "$new/etc-upper" "$new/etc-work"
    mount -n --bind "$disk" "$new/disk"
    while read -r source target; do
        if [[ $target == /run/* ]]; then mkdir -p "$new/${target#/run/}"; mount -n --bind "$folder/$source" "$new/${target#/run/}"
        else mount -n --bind "$folder/$source" "$target"; fi
    done <"$disk/mounts"
    mount -n --move "$new" /run
}

mount_etc() {
    cp -a /run/disk/etc/. /run/etc-upper
    mount -n -t overlay -o lowerdir=/etc,upperdir=/run/etc-upper,workdir=/run/etc-work overlay /etc
}

mount_dev() {
    mount -n -t tmpfs -o mode=755 none "$new"
    while read -r name mode major minor; do
        mknod "$new/$name" c "$major" "$minor"
        chmod "$mode" "$new/$name"
    done <"/run/disk/devices"
    mkdir "$new/pts" "$new/shm"
    mount -n -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 none "$new/pts"
    mount -n -t tmpfs -o mode=1777 none "$new/shm"
    ln -s pts/ptmx "$new/ptmx"
    ln -s /proc/self/fd "$new/fd"
    for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%%:*}" "$new/${n#*:}"; done
    mount -n --move "$new" /dev
}

settle() {
    local outer_pid
    # still the outer /proc, which shows the process id by which the outside knows us
    read -r outer_pid _ </proc/self/stat
    mount_run
    mount_etc
    mount_dev
    for private in /var/log /var/tmp; do mount -n -t tmpfs -o mode=1777 none "$private"; done
    mount -n -t proc proc /proc
    mount_cgroups
    rmdir "$new"
    mount -n -o remount,bind,ro /
    hostname "$host"
    if [ -s /run/disk/network ]; then ip -batch /run/disk/network; fi
    while read -r key value; do echo "$value" >"/proc/sys/$key"; done </run/disk/sysctl
    if [ -s /run/disk/firewall ]; then iptables-restore </run/disk/firewall; fi
    if [ -s /run/disk/firewall6 ]; then ip6tables-restore </run/disk/firewall6; fi
    serve "$outer_pid"
}

start() {
    setsid /bin/bash "/run/disk/daemons/$1" </dev/null >>"/run/disk/log/$1" 2>&1 3>&- &
}

serve() {
    rm -f /run/disk/start
    mkfifo -m 600 /run/disk/start
    exec 3<>/run/disk/start
    for daemon in /run/disk/daemons/*; do
        if [ -e "$daemon" ]; then start "${daemon##*/}"; fi
    done
    echo "$1" >/run/disk/pid.new
    mv /run/disk/pid.new /run/disk/pid
    while true; do
        if read -r daemon <&3; then start "$daemon"; fi
    done
}

case $stage in
    chroot) exec chroot "$folder/root" /bin/bash "$0" "$folder" "$host" "$cgroups" cgroup ;;
    cgroup) own_cgroup ;;
    settle) settle ;;
esac
