# What a desktop starts last, in a terminal where it has one: notes what a program in this session
# finds in its environment, for whoever wants to be one. What is there is whole.
export -p >"$XDG_RUNTIME_DIR/screen.new"
mv "$XDG_RUNTIME_DIR/screen.new" "$XDG_RUNTIME_DIR/screen"
test ! -t 0 || exec bash
