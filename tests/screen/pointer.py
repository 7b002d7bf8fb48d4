"""Clicks at a position in GNOME's shell, through its remote desktop interface (mutter's
org.gnome.Mutter.RemoteDesktop.xml). The shell removes the pointer when its creator leaves the bus, so each
step waits until the shell has processed it. Motions are relative, so the first one goes to the upper left
corner; then one axis at a time, since edges of the shell can stop a motion.
"""

import sys

import dbus

NAME = "org.gnome.Mutter.RemoteDesktop"
# linux/input-event-codes.h
BTN_LEFT = dbus.Int32(0x110)
# Clutter's mask of the pressed button.
BUTTON1 = 256
# The maximum number of checks; the shell replies to each after it has processed the input before it.
MAX_CHECKS = 5000

bus = dbus.SessionBus()
shell = dbus.Interface(bus.get_object(NAME, "/org/gnome/Mutter/RemoteDesktop"), NAME)
pointer = dbus.Interface(bus.get_object(NAME, shell.CreateSession()), NAME + ".Session")
script = dbus.Interface(bus.get_object("org.gnome.Shell", "/org/gnome/Shell"), "org.gnome.Shell")


def seen(what, wanted):
    for _ in range(MAX_CHECKS):
        if int(script.Eval(what)[1]) == wanted:
            return
    sys.exit(f"{what} is not {wanted}")


def move(right, down):
    pointer.NotifyPointerMotionRelative(dbus.Double(right), dbus.Double(down))


right, down = map(int, sys.argv[1:])
pointer.Start()
move(-5000, -5000)
seen("Math.max(...global.get_pointer().slice(0, 2))", 0)
move(0, down)
seen("global.get_pointer()[1]", down)
move(right, 0)
seen("global.get_pointer()[0]", right)
for pressed in (True, False):
    pointer.NotifyPointerButton(BTN_LEFT, pressed)
    seen(f"global.get_pointer()[2] & {BUTTON1}", BUTTON1 if pressed else 0)
