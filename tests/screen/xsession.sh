# An X session: a server without a screen, and a window manager that starts the programs of
# /etc/xdg/autostart, such as the agent, as Xfce and LXQt do.
mkfifo "$XDG_RUNTIME_DIR/display"
# The server writes its number when it accepts connections (Xserver(1), -displayfd).
Xvfb -displayfd 3 -screen 0 1280x720x24 -nolisten tcp 3>"$XDG_RUNTIME_DIR/display" &
read -r number <"$XDG_RUNTIME_DIR/display"
export DISPLAY=":$number"
exec openbox --startup "sh /usr/local/lib/screen/autostart.sh"
