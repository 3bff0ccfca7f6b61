// launch -- how long programs take from posix_spawn to their end, one after another, in turns
//
//   launch TURNS NAME [VAR=VALUE]... [@PORT] PROGRAM [ARG]... , NAME ...
//
// Each turn runs every contender once, so that what else the machine does is shared by all. `@PORT`: connects to that
// port of 127.0.0.1 until it answers, for a launcher that waits for a connection. Prints a line a contender, in
// microseconds: NAME median p99 cpu-median; cpu is user and system time of the child and what it waited for.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct contender {
    const char *name;
    char **arguments, *environment[16];
    int port;
    double *wall, *cpu;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void knock(int port, double until) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while (now() < until) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int failed = connect(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (!failed) return;
    }
}

int main(int argc, char **argv) {
    static struct contender contenders[32];
    int turns = argc > 1 ? atoi(argv[1]) : 0, count = 0;
    if (turns < 10) return 64;
    for (int i = 2; i < argc && count < 32; i++, count++) {
        struct contender *c = &contenders[count];
        int variables = 0;
        c->name = argv[i++];
        for (; i < argc && strchr(argv[i], '=') && variables < 15; i++) c->environment[variables++] = argv[i];
        if (i < argc && argv[i][0] == '@') c->port = atoi(argv[i++] + 1);
        c->arguments = argv + i;
        while (i < argc && strcmp(argv[i], ",")) i++;
        if (i < argc) argv[i] = NULL;
        c->wall = calloc(turns, sizeof(double));
        c->cpu = calloc(turns, sizeof(double));
    }
    for (int turn = -3; turn < turns; turn++)   // (three to warm up)
        for (int k = 0; k < count; k++) {
            struct contender *c = &contenders[k];
            struct rusage usage;
            int status;
            pid_t pid;
            double start = now();
            int error = posix_spawn(&pid, c->arguments[0], NULL, NULL, c->arguments, c->environment);
            if (error) return fprintf(stderr, "launch: %s: %s\n", c->arguments[0], strerror(error)), 71;
            if (c->port) knock(c->port, start + 2e6);
            if (wait4(pid, &status, 0, &usage) != pid || status)
                return fprintf(stderr, "launch: %s: status %x\n", c->name, status), 1;
            if (turn < 0) continue;
            c->wall[turn] = now() - start;
            c->cpu[turn] = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
        }
    for (int k = 0; k < count; k++) {
        struct contender *c = &contenders[k];
        qsort(c->wall, turns, sizeof(double), ascending);
        qsort(c->cpu, turns, sizeof(double), ascending);
        printf("%s %.1f %.1f %.1f\n", c->name, c->wall[turns / 2], c->wall[turns * 99 / 100], c->cpu[turns / 2]);
    }
    return 0;
}
