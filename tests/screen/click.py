# Moves the pointer of GNOME Shell to a place and clicks there, as slowly as a hand does. The shell
# must run with --unsafe-mode, and takes pointer moves relative to where it is: so first to a corner.
import sys, time

import dbus

NAME = "org.gnome.Mutter.RemoteDesktop"
bus = dbus.SessionBus()
shell = dbus.Interface(bus.get_object(NAME, "/org/gnome/Mutter/RemoteDesktop"), NAME)
pointer = dbus.Interface(bus.get_object(NAME, shell.CreateSession()), NAME + ".Session")
pointer.Start()
right, down = map(int, sys.argv[1:])
for x, y in ((-5000, -5000), (0, down), (right, 0)):
    time.sleep(0.5)
    pointer.NotifyPointerMotionRelative(dbus.Double(x), dbus.Double(y))
for pressed in (True, False):
    time.sleep(0.5)
    pointer.NotifyPointerButton(dbus.Int32(272), pressed)
time.sleep(0.5)
