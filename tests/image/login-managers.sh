#!/bin/sh
# Run by mmdebstrap with the root tree of a machine with login managers as $1: no login manager
# starts at boot, since a machine has no virtual terminals then, and X servers would run without a
# screen.
set -eu
root=$1

rm -f "$root/etc/systemd/system/display-manager.service"

# The second device is used by no screen. Where all drivers can do without a console, as `dummy` can, Xorg
# leaves the virtual terminals alone (xf86Init.c: HW_SKIP_CONSOLE); with this one it takes its own, shows
# it and switches it to graphics, as it does on hardware.
mkdir -p "$root/etc/X11/xorg.conf.d"
cat >"$root/etc/X11/xorg.conf.d/tests.conf" <<'CONF'
Section "Device"
	Identifier "no card"
	Driver "dummy"
EndSection
Section "Device"
	Identifier "console"
	Driver "modesetting"
EndSection
Section "Monitor"
	Identifier "monitor"
	HorizSync 5-1000
	VertRefresh 5-200
	Modeline "1280x720" 74.50 1280 1344 1472 1664 720 723 728 748
EndSection
Section "Screen"
	Identifier "screen"
	Device "no card"
	Monitor "monitor"
	DefaultDepth 24
	SubSection "Display"
		Depth 24
		Modes "1280x720"
	EndSubSection
EndSection
Section "ServerLayout"
	Identifier "layout"
	Screen "screen"
	Inactive "console"
EndSection
CONF

# There is no graphics card for Qt Quick to render with.
echo QT_QUICK_BACKEND=software >>"$root/etc/environment"
