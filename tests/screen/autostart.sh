# Starts the programs of /etc/xdg/autostart as openbox-session(1) does, when the window manager has
# started: a window that is shown earlier may stay hidden. The directory has the architecture's name.
for start in /usr/lib/*/openbox-xdg-autostart; do
    "$start" OPENBOX
done
exec xterm -e sh /usr/local/lib/screen/ready.sh
