# An X server that shows nothing and what ~/.xsession would have: the agent, a program, and a
# window manager.
mkfifo "$XDG_RUNTIME_DIR/display"
# The server writes its number when it takes connections (Xserver(1), -displayfd).
Xvfb -displayfd 3 -screen 0 1280x720x24 -nolisten tcp 3>"$XDG_RUNTIME_DIR/display" &
read -r number <"$XDG_RUNTIME_DIR/display"
export DISPLAY=":$number"
session-timeout-agent &
xterm -e sh /usr/local/lib/screen/ready.sh &
exec openbox
