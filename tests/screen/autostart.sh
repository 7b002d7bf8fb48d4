# What openbox-session(1) does when the window manager is there; the library's directory has the name
# of the machine's kind in it. A window that is shown while the window manager begins may stay hidden.
for start in /usr/lib/*/openbox-xdg-autostart; do
    "$start" OPENBOX
done
exec xterm -e sh /usr/local/lib/screen/ready.sh
