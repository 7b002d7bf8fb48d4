"""A virtual keyboard of GNOME's shell: presses the key of each code (linux/input-event-codes.h) on
standard input. The shell removes a keyboard when its creator leaves the bus, so this program runs until
the end of its input.
"""

import sys

import dbus

NAME = "org.gnome.Mutter.RemoteDesktop"

bus = dbus.SessionBus()
shell = dbus.Interface(bus.get_object(NAME, "/org/gnome/Mutter/RemoteDesktop"), NAME)
keyboard = dbus.Interface(bus.get_object(NAME, shell.CreateSession()), NAME + ".Session")
keyboard.Start()
print("ready", flush=True)
for line in sys.stdin:
    for pressed in (True, False):
        keyboard.NotifyKeyboardKeycode(dbus.UInt32(int(line)), pressed)
    print("pressed", flush=True)
