"""Clicks at a place of GNOME's shell, as one does who controls it from far (mutter's
org.gnome.Mutter.RemoteDesktop.xml). The shell removes the pointer when its creator leaves the bus, so each
step waits until the shell has seen it. It is in the upper left corner first: a pointer can only be
told how far to go, and one step at a time, as the shell has edges that hold it back.
"""

import sys

import dbus

NAME = "org.gnome.Mutter.RemoteDesktop"
# linux/input-event-codes.h
BTN_LEFT = dbus.Int32(0x110)
# Clutter's: that button is pressed.
BUTTON1 = 256
# Of looks, each of which the shell answers when it has dealt with what came before.
PATIENCE = 5000

bus = dbus.SessionBus()
shell = dbus.Interface(bus.get_object(NAME, "/org/gnome/Mutter/RemoteDesktop"), NAME)
pointer = dbus.Interface(bus.get_object(NAME, shell.CreateSession()), NAME + ".Session")
script = dbus.Interface(bus.get_object("org.gnome.Shell", "/org/gnome/Shell"), "org.gnome.Shell")


def seen(what, wanted):
    for _ in range(PATIENCE):
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
