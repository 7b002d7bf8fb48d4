# Started last by a desktop, in a terminal if it has one: saves the environment of the session for
# programs that tests start in it. The file is complete when it exists.
export -p >"$XDG_RUNTIME_DIR/screen.new"
mv "$XDG_RUNTIME_DIR/screen.new" "$XDG_RUNTIME_DIR/screen"
test ! -t 0 || exec bash
