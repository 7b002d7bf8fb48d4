/* Starts many idle processes, up to the limit of the user.
 *
 *   crowd PROCESSES SECONDS
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int wanted = argc > 1 ? atoi(argv[1]) : 0;
	unsigned seconds = argc > 2 ? atoi(argv[2]) : 0;
	int there = 0;

	signal(SIGCHLD, SIG_IGN);
	for (; there < wanted; there++) {
		pid_t child = fork();

		if (child < 0)
			break;
		if (child == 0) {
			alarm(seconds);
			for (;;)
				pause();
		}
	}
	printf("crowd of %d.\n", there);
	fflush(stdout);
	sleep(seconds);
	return 0;
}
