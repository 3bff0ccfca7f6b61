// live -- wrong packets at a postern-broker that runs, and right ones beside them (scripts/fuzz --live)
//
//   live BROKER-PID PACKETS SEED
//
// Three users send PACKETS packets between them, over connections that they open again when they are closed: valid ones,
// mutated, cut, random, too long, and with descriptors of every kind. A fourth GETs the listener `good` all the while, and
// counts how long that takes; a fifth asks for listeners and never reads what it is sent. The broker reads its policy again
// five times a second. Afterwards it must live, be the same, have as many descriptors as before and no more memory than
// 64 kB above it, and every GET of the fourth must have been granted. Random numbers come from the seed: what is sent is
// the same in each run, in which order it is read is not.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH "/run/postern/broker.sock"
#define CONNECTIONS 24
#define MAX_TEXT 70000
#define MAX_TIMES (1 << 21)

// What the processes tell each other; in memory that they share.
struct shared {
    volatile int is_over;
    volatile unsigned long sent, replied, closed, with_fds, kept_off;
    volatile unsigned long gets, failures;
    char failure[256];
    uint32_t times[MAX_TIMES];
};
static struct shared *shared;

static void die(const char *what, ...) {
    va_list arguments;
    va_start(arguments, what);
    fprintf(stderr, "live: ");
    vfprintf(stderr, what, arguments);
    fprintf(stderr, ": %s\n", strerror(errno));
    va_end(arguments);
    exit(1);
}

static uint64_t state;
static uint64_t next(void) { // SplitMix64
    uint64_t value = state += 0x9E3779B97F4A7C15;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
    value = (value ^ value >> 27) * 0x94D049BB133111EB;
    return value ^ value >> 31;
}
static unsigned below(unsigned limit) { return next() % limit; }

static long microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static void become(uid_t uid, const gid_t *groups, int count) {
    if (setgroups(count, groups) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)) die("become %d", uid);
}

static int connect_broker(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = PATH};
    const struct timeval limit = {5, 0};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return -1;
    }
    return fd;
}

static ssize_t send_packet(int fd, const char *text, size_t length, const int *fds, int count, int flags) {
    static char control[CMSG_SPACE(256 * sizeof(int))] __attribute__((aligned(8)));
    struct iovec vector = {(void *)text, length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    }
    return sendmsg(fd, &message, flags | MSG_NOSIGNAL);
}

// Receives a packet and at most 64 descriptors; what recvmsg returned.
static ssize_t receive_packet(int fd, char *text, size_t room, int *fds, int *count, int flags) {
    static char control[CMSG_SPACE(64 * sizeof(int))] __attribute__((aligned(8)));
    struct iovec vector = {text, room};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    *count = 0;
    ssize_t length = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
    if (length < 0) return length;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        *count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(header), *count * sizeof(int));
    }
    return length;
}

// ---- who does nothing wrong --------------------------------------------------------------------------------------------

static void fail(const char *what, ...) {
    va_list arguments;
    va_start(arguments, what);
    if (!shared->failures++) vsnprintf(shared->failure, sizeof shared->failure, what, arguments);
    va_end(arguments);
}

static void get_good(void) {
    static const char request[] = "PB1 GET g\nname=good\n";
    const struct timeval limit = {10, 0};
    char text[16384];
    int fds[64], count, fd = -1;
    while (!shared->is_over) {
        if (fd < 0 && (fd = connect_broker()) < 0) {
            fail("connect: %s", strerror(errno));
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        long start = microseconds();
        ssize_t length = -1;
        if (send_packet(fd, request, sizeof request - 1, NULL, 0, 0) > 0)
            length = receive_packet(fd, text, sizeof text - 1, fds, &count, 0);
        long time = microseconds() - start;
        if (length <= 0) {
            fail("GET good: %s", length ? strerror(errno) : "the connection was closed");
            count = 0;
        } else {
            text[length] = 0;
            int listening = 0;
            socklen_t size = sizeof listening;
            if (strcmp(text, "PB1 200 OK g\nfds=1\nfd.0=good tcp 127.0.0.1:81\n") || count != 1)
                fail("GET good: %d descriptors with %.100s", count, text);
            else if (getsockopt(fds[0], SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) || !listening)
                fail("GET good: a socket that does not listen");
            if (shared->gets < MAX_TIMES) shared->times[shared->gets] = time;
            shared->gets++;
        }
        for (int index = 0; index < count; index++) close(fds[index]);
        // A new connection now and then; and a pause, so that this is a program among others and no flood.
        if (length <= 0 || shared->gets % 50 == 0) {
            close(fd);
            fd = -1;
        }
        usleep(500);
    }
    _exit(0);
}

// ---- who does everything wrong -----------------------------------------------------------------------------------------

static const char *const names[] = {"good", "stream", "many", "empty", "pair", "nothing", "postern.control", "g"};
static const char *const specs[] = {
    "tcp 127.0.0.1:81", "tcp [::1]:82 v6only", "udp 127.0.0.1:82", "tcp 127.0.0.1:83", "tcp 127.0.0.1:84",
    "udp 127.0.0.1:85", "tcp *:84", "tcp 127.0.0.1:84 device=lo", "tcp", "tcp [::ffff:127.0.0.1]:84"};
static const char *const words[] = {
    "\n", " ", "=", "PB1 ", "PB2 ", "\nname=", "\nname=many", "\nwait=1", "\nmode=exclusive", "\nspec=", "\nreplace=1",
    "\nx-a=", "\nmax=0", "\nfirst=65535", "\r\n", "HELLO", "STORE", "99999999999999999999", "\x7f", "\xc3\xa9"};
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

// Descriptors to send, made while there is a right to: the first RIGHT of them are what the policy's lines want.
enum { FOR_EMPTY, FOR_PAIR, FOR_PAIR_TOO, FOREIGN = 4, KINDS = 20 };
static int kinds[KINDS];

static int bound(int type, int port, int family, int reuse) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 address6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const int on = 1;
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    if (reuse && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on)) die("SO_REUSEPORT");
    if (family == AF_INET ? bind(fd, (struct sockaddr *)&address, sizeof address)
                          : bind(fd, (struct sockaddr *)&address6, sizeof address6))
        die("bind port %d", port);
    if (type == SOCK_STREAM && listen(fd, 16)) die("listen");
    return fd;
}

static void make_kinds(void) {
    int ends[2], at = 0, here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    kinds[at++] = bound(SOCK_STREAM, 84, AF_INET, 0);
    kinds[at++] = bound(SOCK_DGRAM, 85, AF_INET, 1);
    kinds[at++] = bound(SOCK_DGRAM, 85, AF_INET, 1);
    kinds[at++] = bound(SOCK_DGRAM, 84, AF_INET, 0);
    // The right address in another network namespace.
    if (here < 0 || unshare(CLONE_NEWNET)) die("another network namespace");
    if (system("ip link set lo up")) die("ip link");
    kinds[at++] = bound(SOCK_STREAM, 84, AF_INET, 0);
    kinds[at++] = bound(SOCK_STREAM, 82, AF_INET6, 0);
    if (setns(here, CLONE_NEWNET)) die("setns");
    close(here);
    kinds[at++] = bound(SOCK_STREAM, 5084, AF_INET, 0);
    kinds[at++] = bound(SOCK_DGRAM, 5084, AF_INET6, 0);
    kinds[at++] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    kinds[at++] = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    kinds[at++] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    kinds[at++] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) die("socketpair");
    kinds[at++] = ends[0];
    kinds[at++] = ends[1];
    if (pipe2(ends, O_CLOEXEC)) die("pipe");
    kinds[at++] = ends[0];
    kinds[at++] = ends[1];
    kinds[at++] = memfd_create("a file", MFD_CLOEXEC);
    kinds[at++] = epoll_create1(EPOLL_CLOEXEC);
    kinds[at++] = open("/dev/null", O_RDWR | O_CLOEXEC);
    kinds[at++] = open("/", O_PATH | O_CLOEXEC);
    if (at != KINDS) die("%d kinds of descriptors", at);
    for (int index = 0; index < KINDS; index++)
        if (kinds[index] < 0) die("kind %d of descriptors", index);
}

static const char *name(void) { return names[below(COUNT(names))]; }

// A request that is right by the grammar.
static size_t compose(char *text) {
    size_t length = 0;
#define ADD(...) (length += (size_t)sprintf(text + length, __VA_ARGS__))
    unsigned count = below(8) ? 1 + below(3) : below(34);
    switch (below(12)) {
    case 0:
    case 1: ADD("PB1 HELLO h\n%s", below(2) ? "max=1\n" : ""); break;
    case 2:
    case 3:
    case 4:
        ADD("PB1 GET %u\n", below(99999999));
        if (count < 4)
            for (unsigned index = 0, first = below(COUNT(names)); index < count; index++)
                ADD("name=%s\n", names[(first + index) % COUNT(names)]);
        else
            for (unsigned index = 0; index < count; index++) ADD("name=n%u\n", index);
        if (!below(3)) ADD("mode=%s\n", below(3) ? "exclusive" : "shared");
        if (!below(4)) ADD("wait=%u\n", below(20) ? below(6) : 60000);
        break;
    case 5: ADD("PB1 RELEASE r\nname=%s\n", name()); break;
    case 6: ADD("PB1 LIST l\n%s", below(2) ? "first=3\n" : ""); break;
    case 7: ADD("PB1 STAT s\nname=%s\n", name()); break;
    case 8:
    case 9:
        ADD("PB1 STORE S\nname=%s\nspec=%s\n", name(), specs[below(COUNT(specs))]);
        if (below(2)) ADD("replace=%u\n", below(2));
        break;
    case 10: ADD("PB1 DROP D\nname=%s\n", name()); break;
    default: ADD("PB1 %s W\n", below(2) ? "WATCH" : "TAKEOVER"); break;
    }
    if (!below(6)) ADD("x-more=%u\n", below(1000));
    return length;
}

static size_t mutate(char *text, size_t length) {
    for (unsigned changes = 1 + below(4); changes > 0; changes--) {
        size_t at = below(length + 1), size = below(12);
        const char *word = words[below(COUNT(words))];
        if (at + size > length) size = length - at;
        switch (below(6)) {
        case 0: // a byte put in
            memmove(text + at + 1, text + at, length++ - at);
            text[at] = next();
            break;
        case 1: // a byte exchanged
            if (at < length) text[at] = next();
            break;
        case 2: // a part taken out
            memmove(text + at, text + at + size, length - at - size);
            length -= size;
            break;
        case 3: // a part doubled
            memmove(text + at + size, text + at, length - at);
            length += size;
            break;
        default: { // a word put in
            size_t more = strlen(word);
            memmove(text + at + more, text + at, length - at);
            memcpy(text + at, word, more);
            length += more;
        }
        }
    }
    return length;
}

// Any packet at all; 1 byte at least, since Linux sends none that is empty.
static size_t packet(char *text) {
    size_t length = compose(text);
    switch (below(16)) {
    case 0: // cut
        length = 1 + below(length);
        break;
    case 1: // random bytes
        length = 1 + below(4096);
        for (size_t at = 0; at < length; at++) text[at] = next();
        break;
    case 2: // random letters behind a head
        length = 11 + below(4000);
        memcpy(text, "PB1 LIST l\n", 11);
        for (size_t at = 11; at < length; at++) text[at] = "abx-=.\n name"[below(12)];
        break;
    case 3: // a NUL
        text[below(length)] = 0;
        break;
    case 4: // too long, by one byte or by many
        length = below(2) ? 4097 : 4097 + below(MAX_TEXT - 4097);
        memset(text, 'a', length);
        memcpy(text, "PB1 LIST l\nx-a=", 15);
        break;
    case 5: // as many keys as there can be, each another: the most work that a packet makes
        length = (size_t)sprintf(text, "PB1 LIST l\n");
        for (unsigned key = 0; length < 4080; key++) length += (size_t)sprintf(text + length, "x-%x=\n", key);
        break;
    case 6: // as long as allowed
        memset(text + length, 'a', 4096);
        memcpy(text + length, "x-a=", 4);
        length = 4096;
        break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11: length = mutate(text, length); break;
    default: break;
    }
    return length ? length : 1;
}

// Does to listeners that were granted what a broken or bad program would, and closes them.
static void spoil(const int *fds, int count) {
    struct sockaddr_in nowhere = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (int index = 0; index < count; index++) {
        switch (below(8)) {
        case 0: shutdown(fds[index], SHUT_RDWR); break;
        case 1: listen(fds[index], 1); break;
        case 2: connect(fds[index], (struct sockaddr *)&nowhere, sizeof nowhere); break;
        default: break;
        }
        close(fds[index]);
    }
}

// Reads whatever there is. Returns whether the connection still is one.
static int drain(int fd) {
    static char text[16384];
    int fds[64], count;
    while (1) {
        ssize_t length = receive_packet(fd, text, sizeof text, fds, &count, MSG_DONTWAIT);
        if (length < 0) return errno == EAGAIN;
        if (length == 0) return 0;
        __atomic_add_fetch(&shared->replied, 1, __ATOMIC_RELAXED);
        spoil(fds, count);
    }
}

static void attack(unsigned long packets) {
    static char text[MAX_TEXT + 8192];
    int connections[CONNECTIONS], fds[256];
    memset(connections, -1, sizeof connections);
    for (unsigned long sent = 0; sent < packets;) {
        int *connection = &connections[below(CONNECTIONS)];
        if (*connection < 0) {
            static const char hello[] = "PB1 HELLO h\n";
            if ((*connection = connect_broker()) < 0) continue;
            // Who may store has said HELLO before: only then the kernel lets descriptors through.
            if (below(4) && send_packet(*connection, hello, sizeof hello - 1, NULL, 0, MSG_DONTWAIT) > 0) {
                struct pollfd reply = {*connection, POLLIN, 0};
                poll(&reply, 1, 1000);
                drain(*connection);
            }
        }
        // What is to be sent is decided before it is known whether it can be: the seed is all that counts.
        size_t length = packet(text);
        int count = 0, waits = below(10) != 0, burst = below(300) ? 1 : 40;
        if (length > 10 && !memcmp(text, "PB1 STORE ", 10) && below(8)) {
            // The right descriptors, more often than not.
            int pair = memmem(text, length, ":85", 3) != NULL;
            fds[count++] = kinds[pair ? FOR_PAIR : below(3) ? FOR_EMPTY : below(KINDS)];
            if (pair || !below(8)) fds[count++] = kinds[pair ? FOR_PAIR_TOO : below(KINDS)];
        } else if (!below(8)) {
            count = below(4) ? 1 + below(9) : 1 + below(253);
            for (int index = 0; index < count; index++) {
                int kind = below(KINDS + 1);
                fds[index] = kind < KINDS ? kinds[kind] : *connection;
            }
        }
        int alive = 1;
        for (; burst > 0 && alive && sent < packets; burst--) {
            ssize_t result = send_packet(*connection, text, length, fds, count, MSG_DONTWAIT);
            if (result < 0 && errno == EAGAIN) {
                struct pollfd room = {*connection, POLLOUT, 0};
                alive = drain(*connection) && poll(&room, 1, 20) > 0;
                continue;
            }
            if (result < 0 && (errno == EPERM || errno == ETOOMANYREFS)) {
                // The kernel kept the descriptors off; the text goes alone.
                __atomic_add_fetch(&shared->kept_off, 1, __ATOMIC_RELAXED);
                count = 0;
                result = send_packet(*connection, text, length, NULL, 0, MSG_DONTWAIT);
            }
            alive = result >= 0;
            if (!alive) break;
            sent++;
            __atomic_add_fetch(&shared->sent, 1, __ATOMIC_RELAXED);
            if (count) __atomic_add_fetch(&shared->with_fds, 1, __ATOMIC_RELAXED);
        }
        // Most wait for what comes of it; some send on, and some go without a word.
        if (alive && waits) {
            struct pollfd reply = {*connection, POLLIN, 0};
            poll(&reply, 1, 20);
            alive = drain(*connection);
        }
        if (!alive || !below(200)) {
            if (!alive) __atomic_add_fetch(&shared->closed, 1, __ATOMIC_RELAXED);
            close(*connection);
            *connection = -1;
        }
    }
    _exit(0);
}

// Asks for listeners over and over and reads none: whoever they are sent to, they count as the broker's.
static void hoard(unsigned long nothing) {
    static const char request[] = "PB1 GET m\nname=many\n";
    (void)nothing;
    while (!shared->is_over) {
        int connections[12];
        for (unsigned index = 0; index < COUNT(connections); index++) {
            connections[index] = connect_broker();
            for (int asked = 0; asked < 200 && connections[index] >= 0; asked++)
                if (send_packet(connections[index], request, sizeof request - 1, NULL, 0, MSG_DONTWAIT) < 0) break;
        }
        usleep(200000);
        for (unsigned index = 0; index < COUNT(connections); index++)
            if (connections[index] >= 0) close(connections[index]);
    }
    _exit(0);
}

// ---- the whole ---------------------------------------------------------------------------------------------------------

static int count_descriptors(pid_t pid) {
    char path[64];
    int count = -2; // . and ..
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *folder = opendir(path);
    if (!folder) return -1;
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}

static long resident(pid_t pid) { // kB
    char path[64], line[256];
    long size = -1;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "re");
    if (!file) return -1;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Rss: %ld kB", &size) == 1) break;
    fclose(file);
    return size;
}

// The generation of the broker that answers now; empty if none does.
static void read_generation(char *generation) {
    static const char request[] = "PB1 HELLO h\n";
    char text[1024];
    int count, fds[64], fd = connect_broker();
    ssize_t length = 0;
    generation[0] = 0;
    if (fd < 0) return;
    if (send_packet(fd, request, sizeof request - 1, NULL, 0, 0) > 0)
        length = receive_packet(fd, text, sizeof text - 1, fds, &count, 0);
    text[length > 0 ? length : 0] = 0;
    const char *found = strstr(text, "generation=");
    if (found) snprintf(generation, 17, "%s", found + 11);
    close(fd);
}

static pid_t start(void (*run)(unsigned long), unsigned long argument, uid_t uid, const gid_t *groups, int count) {
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid > 0) return pid;
    become(uid, groups, count);
    run(argument);
    _exit(1);
}
static void run_gets(unsigned long nothing) {
    (void)nothing;
    get_good();
}
// Takes the listeners out again that were stored meanwhile.
static void drop_stored(unsigned long nothing) {
    (void)nothing;
    static const char *const requests[] = {"PB1 DROP d\nname=empty\n", "PB1 DROP d\nname=pair\n"};
    char text[1024];
    int count, fds[64], fd = connect_broker();
    for (unsigned index = 0; index < COUNT(requests); index++) {
        if (send_packet(fd, requests[index], strlen(requests[index]), NULL, 0, 0) < 0 ||
            receive_packet(fd, text, sizeof text, fds, &count, 0) < 11 ||
            (memcmp(text, "PB1 200 OK ", 11) && memcmp(text, "PB1 404 MIS", 11)))
            die("DROP");
    }
    _exit(0);
}

static int compare(const void *one, const void *other) {
    uint32_t first = *(const uint32_t *)one, second = *(const uint32_t *)other;
    return (first > second) - (first < second);
}

int main(int count, char **arguments) {
    static const struct {
        uid_t uid;
        gid_t groups[1];
        int count;
    } attackers[] = {{62526, {0}, 0}, {62529, {62527}, 1}, {62540, {0}, 0}};
    pid_t pids[COUNT(attackers)], broker, getter, hoarder;
    char before_generation[32], after_generation[32];
    if (count != 4) return 64;
    broker = atoi(arguments[1]);
    unsigned long packets = strtoul(arguments[2], NULL, 10), seed = strtoul(arguments[3], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) die("mmap");
    make_kinds();

    // The first thousands of packets touch the tables and buffers that are there from the start; then it is "before".
    int fds_before = count_descriptors(broker), fds_after = 0;
    read_generation(before_generation);
    long rss_before = 0, start_time = 0;
    for (int round = 0; round < 2; round++) {
        unsigned long share = (round ? packets : 20000) / COUNT(attackers);
        unsigned long rest = (round ? packets : 20000) % COUNT(attackers);
        shared->sent = shared->replied = shared->closed = shared->with_fds = shared->kept_off = 0;
        shared->gets = 0;
        shared->is_over = 0;
        if (round) start_time = microseconds();
        getter = start(run_gets, 0, 62525, (const gid_t[]){62527}, 1);
        hoarder = start(hoard, 0, 62541, NULL, 0);
        for (unsigned index = 0; index < COUNT(attackers); index++) {
            state = seed * 1000 + round * 100 + index;
            pids[index] =
                start(attack, share + (index < rest), attackers[index].uid, attackers[index].groups, attackers[index].count);
        }
        for (unsigned index = 0; index < COUNT(attackers);) {
            int status = 0;
            pid_t ended = waitpid(pids[index], &status, WNOHANG);
            if (ended == 0) {
                usleep(200000);
                if (kill(broker, SIGHUP)) break;
                continue;
            }
            if (ended < 0 || status) die("a sender ended with %d", status);
            index++;
        }
        shared->is_over = 1;
        waitpid(getter, NULL, 0);
        waitpid(hoarder, NULL, 0);
        int status = 0;
        waitpid(start(drop_stored, 0, 62529, NULL, 0), &status, 0);
        if (status) die("the broker does not drop what was stored");
        // What was closed at this end is closed at the other when it has been read; within 5 s.
        for (int tries = 0; tries < 500 && (fds_after = count_descriptors(broker)) != fds_before; tries++) usleep(10000);
        if (!round) rss_before = resident(broker);
    }
    double seconds = (microseconds() - start_time) / 1e6;
    long rss_after = resident(broker);
    read_generation(after_generation);
    int alive = before_generation[0] && !strcmp(before_generation, after_generation);

    unsigned long gets = shared->gets < MAX_TIMES ? shared->gets : MAX_TIMES;
    qsort(shared->times, gets, sizeof shared->times[0], compare);
    if (shared->failures)
        printf("live: %lu of %lu valid GETs failed, the first: %s\n", shared->failures, shared->gets, shared->failure);
    printf("live: seed %lu, %.0f s: %lu replies, %lu connections ended by the broker, %lu packets with descriptors, %lu "
           "whose descriptors the kernel kept off\n",
           seed, seconds, shared->replied, shared->closed, shared->with_fds, shared->kept_off);
    printf("live: %lu packets, %s, fds %d/%d, rss %ld/%ld kB, %lu valid gets, %lu failed, get p50 %u p99 %u max %u µs\n",
           shared->sent, alive ? "alive" : "DEAD OR ANOTHER", fds_before, fds_after, rss_before, rss_after, shared->gets,
           shared->failures, gets ? shared->times[gets / 2] : 0, gets ? shared->times[gets * 99 / 100] : 0,
           gets ? shared->times[gets - 1] : 0);
    int holds = alive && shared->sent >= packets && fds_before == fds_after && rss_after <= rss_before + 64 &&
                rss_before > 0 && gets > 0 && !shared->failures;
    return holds ? 0 : 1;
}
