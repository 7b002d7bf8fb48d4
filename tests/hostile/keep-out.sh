#!/bin/sh
# What a user can do in an SSH session, without privileges, so that no scope holds it: programs of the
# user's manager, which the end of the session does not touch, ask PID 1 without a pause to put the
# connection and the shell into a control group of the user's.
set -eu
export XDG_RUNTIME_DIR="/run/user/$(id -u)"
shell=$PPID
connection=$(ps -o ppid= -p "$shell" | tr -d ' ')
manager="user@$(id -u).service"

# So that the user's manager stays when no session does.
loginctl enable-linger
mkdir -p "/sys/fs/cgroup/user.slice/user-$(id -u).slice/$manager/kept-out"
for mover in 1 2 3 4; do
	systemd-run --user --quiet --unit="mover-$mover-$shell" perl /var/tmp/mallory.pl \
		moves "$1" "$manager" /kept-out "$connection" "$shell"
done
until grep -q kept-out "/proc/$connection/cgroup"; do sleep 0.1; done
loginctl kill-session "$XDG_SESSION_ID" --kill-whom=leader --signal=KILL
echo "kept out by $shell."
