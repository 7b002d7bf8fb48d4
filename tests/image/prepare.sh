#!/bin/sh
# Run by mmdebstrap with the root tree of a test machine as $1, when its packages are installed:
# makes the accounts that the cases log in with, and quiets what would only be noise.
set -eu
root=$1

in_root() { chroot "$root" "$@"; }

# People. Passwords are for the console; over SSH everybody has root's key.
for user in alice bob mallory; do
	in_root useradd --create-home --shell /bin/bash "$user"
	echo "$user:$user" | in_root chpasswd
done
# A system account that can log in, as a backup or monitoring account has it.
in_root useradd --system --create-home --home-dir /home/robot --shell /bin/bash robot

in_root ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
for user in root alice bob mallory robot; do
	home=$(in_root getent passwd "$user" | cut -d: -f6)
	in_root install -d -o "$user" -g "$user" -m 0700 "$home/.ssh"
	in_root install -o "$user" -g "$user" -m 0600 /root/.ssh/id_ed25519.pub "$home/.ssh/authorized_keys"
done

# A login shell says which session it is; cases read the line instead of typing a question,
# because typing is activity.
echo 'echo "session=$XDG_SESSION_ID."' >"$root/etc/profile.d/session-id.sh"

# A stack with our module alone and one with nothing, for timing the difference.
# libpam refuses a stack whose only module says PAM_IGNORE, so there is always one that agrees.
printf 'session optional %s.so\n' pam_permit pam_session_timeout \
	>"$root/etc/pam.d/session-timeout-timing"
echo 'session optional pam_permit.so' >"$root/etc/pam.d/session-timeout-baseline"

# In memory, and all of it: the cases look for single entries.
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n' \
	>"$root/etc/systemd/journald.conf.d/tests.conf"
rm -rf "$root/var/log/journal"

# Nothing asks for passwords at a boot. Each of these holds an inotify instance, of which
# fs.inotify.max_user_instances allows root 128 on the whole host.
for unit in systemd-ask-password-console.path systemd-ask-password-wall.path; do
	ln -s /dev/null "$root/etc/systemd/system/$unit"
done

: >"$root/etc/motd"
chmod -x "$root"/etc/update-motd.d/* 2>/dev/null || true
echo debian >"$root/etc/hostname"
