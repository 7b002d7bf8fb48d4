# An X server that shows nothing, and what ~/.xsession would have: the agent, a window manager, and
# a program.
mkfifo "$XDG_RUNTIME_DIR/display"
# The server writes its number when it takes connections (Xserver(1), -displayfd).
Xvfb -displayfd 3 -screen 0 1280x720x24 -nolisten tcp 3>"$XDG_RUNTIME_DIR/display" &
read -r number <"$XDG_RUNTIME_DIR/display"
export DISPLAY=":$number"
session-timeout-agent &
# A window that is shown while the window manager begins may stay hidden.
exec openbox --startup "xterm -e sh /usr/local/lib/screen/ready.sh"
