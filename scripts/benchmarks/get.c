// get -- how long a GET takes, from the request's send to the listener in hand
//
//   get TURNS SOCKET NAME
//
// Once on one connection again and again, once with a connection of its own each time. Prints, in microseconds:
// get-connected median p99 / get-fresh median p99.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int reach(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) exit((perror("get: connect"), 69));
    return fd;
}

// Gets the listener, and closes it.
static void get(int fd, const char *request) {
    union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr aligned; } control;
    char text[16384];
    struct iovec vector = {text, sizeof text};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (send(fd, request, strlen(request), 0) < 0 || recvmsg(fd, &message, MSG_CMSG_CLOEXEC) < 12) exit((perror("get"), 69));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (strncmp(text, "PB1 200 ", 8) || !header) exit((fprintf(stderr, "get: %.100s\n", text), 77));
    int listener;
    memcpy(&listener, CMSG_DATA(header), sizeof listener);
    close(listener);
}

static void report(const char *name, double *times, int turns) {
    qsort(times, turns, sizeof(double), ascending);
    printf("%s %.1f %.1f\n", name, times[turns / 2], times[turns * 99 / 100]);
}

int main(int argc, char **argv) {
    int turns = argc == 4 ? atoi(argv[1]) : 0;
    if (turns < 10) return 64;
    double *times = calloc(turns, sizeof(double));
    char request[128];
    snprintf(request, sizeof request, "PB1 GET a\nname=%s\n", argv[3]);
    int fd = reach(argv[2]);
    for (int i = -10; i < turns; i++) {
        double start = now();
        get(fd, request);
        if (i >= 0) times[i] = now() - start;
    }
    close(fd);
    report("get-connected", times, turns);
    for (int i = -10; i < turns; i++) {
        double start = now();
        fd = reach(argv[2]);
        get(fd, request);
        if (i >= 0) times[i] = now() - start;
        close(fd);
    }
    report("get-fresh", times, turns);
    return 0;
}
