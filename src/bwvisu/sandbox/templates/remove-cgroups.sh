#!/bin/bash
# remove-cgroups.sh PREFIX CGROUPS     root, in a mount namespace of its own: removes the instance's cgroups
set -euo pipefail
prefix=$1 point=${0%/*}/cgroup
mkdir -p "$point"
remove() {
    if [ -d "$1/$prefix" ]; then find "$1/$prefix" -depth -type d -exec rmdir {} +; fi
}
seen=$(findmnt -rn -t cgroup2 -o TARGET | head -n 1 || true)
if [ "$2" = 1 ]; then
    for controller in memory freezer; do
        mount -n -t cgroup -o "$controller" none "$point"
        remove "$point"
        umount "$point"
    done
elif [ -n "$seen" ]; then
    remove "$seen"
else
    mount -n -t cgroup2 -o nsdelegate,memory_recursiveprot none "$point"
    remove "$point"
    umount "$point"
fi
