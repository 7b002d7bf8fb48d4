# An X server that shows nothing, and a window manager that starts what /etc/xdg/autostart has, which
# is the agent, as Xfce and LXQt do; and a program.
mkfifo "$XDG_RUNTIME_DIR/display"
# The server writes its number when it takes connections (Xserver(1), -displayfd).
Xvfb -displayfd 3 -screen 0 1280x720x24 -nolisten tcp 3>"$XDG_RUNTIME_DIR/display" &
read -r number <"$XDG_RUNTIME_DIR/display"
export DISPLAY=":$number"
exec openbox --startup "sh /usr/local/lib/screen/autostart.sh"
