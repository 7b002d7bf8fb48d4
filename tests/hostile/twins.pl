# Creates terminals with the device numbers of other users' terminals: in a private devpts (run under
# `unshare -Urm`) it opens pts/0 and the following, and makes each the controlling terminal of a process.
#
#   twins.pl COUNT SECONDS
use strict;
use warnings;
use POSIX ();

my ($count, $seconds) = @ARGV;
my $place = "/tmp/devpts-$$";
mkdir $place or die "$place: $!\n";
system('mount', '-t', 'devpts', 'devpts', $place, '-o', 'newinstance,ptmxmode=0666,mode=0600') == 0
    or die "no devpts\n";
my @masters;
for my $number (0 .. $count - 1) {
    sysopen my $master, "$place/ptmx", POSIX::O_RDWR | 0400 or die "ptmx: $!\n";
    # TIOCSPTLCK and TIOCSCTTY of asm-generic/ioctls.h
    my $unlocked = pack 'l', 0;
    ioctl $master, 0x40045431, $unlocked or die "unlock: $!\n";
    push @masters, $master;
    next if fork;
    POSIX::setsid();
    sysopen my $terminal, "$place/$number", POSIX::O_RDWR or die "$number: $!\n";
    ioctl $terminal, 0x540E, 0;
    sleep $seconds;
    exit 0;
}
# The children may still have to open their terminals.
print "twins of $count.\n";
STDOUT->flush();
sleep $seconds;
