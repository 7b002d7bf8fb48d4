# What a desktop starts last, in a terminal where it has one: notes what a program in this session
# finds in its environment, for programs that tests start in it. The file is complete when it exists.
export -p >"$XDG_RUNTIME_DIR/screen.new"
mv "$XDG_RUNTIME_DIR/screen.new" "$XDG_RUNTIME_DIR/screen"
test ! -t 0 || exec bash
