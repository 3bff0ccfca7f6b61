// smtp-backend -- the SMTP server behind every contender: takes all mail and counts it
//
//   smtp-backend [-x] [-a ADDRESS] -f COUNTERS PORT [LAST]
//     -x           announces XCLIENT
//     -a ADDRESS   where to listen (default 127.0.0.1)
//     -f COUNTERS  the file of counters, mapped and written as they change: whoever looks disturbs nobody
//
// Listens on PORT, or on all from PORT to LAST, with one thread and one epoll. A message ends at CRLF.CRLF and nowhere
// else. The file has one `struct counters` for each port, behind one more for whoever looks to write: while its first word
// is not 0, the CRC-32C of each message's body is taken, as it is on the wire, behind the first empty line, and compared
// with the second. Ends with SIGTERM. Exit status: 0; 64 usage; 71 the system.
#define _GNU_SOURCE
#include "checksum.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

// (scripts/benchmarks/relay/measure.py reads them in this order)
struct counters {
    uint64_t messages;       // final dots answered with 250
    uint64_t octets;         // of messages, without the final dot's line
    uint64_t connections;    // accepted so far
    uint64_t active;         // open now
    uint64_t most;           // open at one time, at most
    uint64_t transactions;   // MAILs
    uint64_t errors;         // commands not known, lines too long, connections that ended within a message
    uint64_t compared;       // messages whose checksum was taken
    uint64_t differing;      // of them, those with another than expected
    uint64_t identities;     // XCLIENTs
};

enum { LINE = 2048, BLOCK = 256 * 1024, TAIL = 4 };

struct connection {
    int fd;
    bool listener, body, header, hashing;
    struct counters *counters;
    int kept;                    // octets of `rest`
    int dummies;                 // of them, those in front of the message that are not of it
    unsigned matched;            // octets matched of the header's end
    uint32_t checksum;
    uint64_t octets;
    unsigned char rest[LINE];    // an unfinished line; of a body, its latest TAIL octets
};

static bool xclient;
static volatile uint64_t *checking;
static int poller;
static unsigned char block[LINE + BLOCK];
static char replies[64 * 1024];
static size_t replied;

static void die(const char *what) {
    fprintf(stderr, "smtp-backend: %s: %s\n", what, strerror(errno));
    exit(71);
}

static void watch(struct connection *c) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
}

static void say(const char *text) {
    size_t n = strlen(text);
    if (replied + n > sizeof replies) return;
    memcpy(replies + replied, text, n);
    replied += n;
}

// Sends what there is to say; small enough that a socket buffer holds it always.
static bool flush(struct connection *c) {
    size_t n = replied;
    replied = 0;
    return n == 0 || send(c->fd, replies, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static void leave(struct connection *c) {
    c->counters->active--;
    if (c->body) c->counters->errors++;
    close(c->fd);
    free(c);
}

// Octets of the message for good: those that its final dot's line cannot contain any more.
static void take(struct connection *c, const unsigned char *p, size_t n) {
    size_t skip = (size_t)c->dummies < n ? (size_t)c->dummies : n;
    c->dummies -= skip;
    p += skip, n -= skip;
    c->octets += n;
    if (!c->hashing) return;
    for (; c->header && n; p++, n--) {
        c->matched = *p == (c->matched & 1 ? '\n' : '\r') ? c->matched + 1 : *p == '\r';
        c->header = c->matched < 4;
    }
    if (!c->header) c->checksum = crc32c(c->checksum, p, n);
}

// Reads on in a body; returns how many octets of it have been read, or 0 when the block is used up.
static size_t body(struct connection *c, const unsigned char *p, size_t n) {
    for (size_t at = 2; at + 2 < n;) {
        const unsigned char *dot = memchr(p + at, '.', n - 2 - at);
        if (!dot) break;
        at = dot - p;
        if (memcmp(dot - 2, "\r\n", 2) || memcmp(dot + 1, "\r\n", 2)) {
            at++;
            continue;
        }
        take(c, p, at);
        c->body = false;
        c->kept = 0;
        struct counters *all = c->counters;
        if (c->hashing) {
            all->compared++;
            if ((uint32_t)~c->checksum != checking[1]) all->differing++;
        }
        all->octets += c->octets;
        all->messages++;
        say("250 2.0.0 Ok: taken\r\n");
        return at + 3;
    }
    if (n > TAIL) {
        take(c, p, n - TAIL);
        p += n - TAIL, n = TAIL;
    }
    memcpy(c->rest, p, n);
    c->kept = n;
    return 0;
}

static bool is(const unsigned char *line, size_t n, const char *verb) {
    size_t length = strlen(verb);
    return n >= length && !strncasecmp((const char *)line, verb, length);
}

// Answers one command; false: the connection ends.
static bool command(struct connection *c, const unsigned char *line, size_t n) {
    if (is(line, n, "MAIL")) {
        c->counters->transactions++;
        say("250 2.1.0 Ok\r\n");
    } else if (is(line, n, "RCPT"))
        say("250 2.1.5 Ok\r\n");
    else if (is(line, n, "DATA")) {
        say("354 End data with <CR><LF>.<CR><LF>\r\n");
        c->body = true;
        c->header = c->hashing = *checking != 0;
        c->matched = 0;
        c->checksum = ~0u;
        c->octets = 0;
        c->dummies = TAIL;
    } else if (is(line, n, "EHLO")) {
        say("250-backend.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n");
        if (xclient) say("250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n");
        say("250 ENHANCEDSTATUSCODES\r\n");
    } else if (is(line, n, "HELO"))
        say("250 backend.example\r\n");
    else if (is(line, n, "RSET") || is(line, n, "NOOP"))
        say("250 2.0.0 Ok\r\n");
    else if (xclient && is(line, n, "XCLIENT")) {
        c->counters->identities++;
        say("220 backend.example ESMTP\r\n");
    } else if (is(line, n, "QUIT")) {
        say("221 2.0.0 Bye\r\n");
        return false;
    } else {
        c->counters->errors++;
        say("500 5.5.2 Unknown\r\n");
    }
    return true;
}

static void readable(struct connection *c) {
    memcpy(block, c->rest, c->kept);
    ssize_t got = recv(c->fd, block + c->kept, BLOCK, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) leave(c);
        return;
    }
    const unsigned char *p = block, *end = block + c->kept + got;
    c->kept = 0;
    bool open = true;
    while (open && p < end) {
        if (c->body) {
            size_t used = body(c, p, end - p);
            if (!used) break;
            p += used;
            continue;
        }
        const unsigned char *lf = memchr(p, '\n', end - p);
        if (!lf) {
            size_t n = end - p;
            if (n >= LINE) open = false, c->counters->errors++;
            else memcpy(c->rest, p, n), c->kept = n;
            break;
        }
        open = command(c, p, lf - p);
        p = lf + 1;
        if (!c->body) continue;
        // The body is searched for its end together with the CRLF in front of it, which no octet of it can be.
        static const unsigned char before[TAIL] = {'-', '-', '\r', '\n'};
        size_t n = end - p;
        if (n == 0) {
            memcpy(c->rest, before, TAIL);
            c->kept = TAIL;
            break;
        }
        // (A client that did not wait for 354: make room for those octets in front of what it sent.)
        memmove(block + TAIL, p, n);
        memcpy(block, before, TAIL);
        p = block, end = block + TAIL + n;
    }
    if (!flush(c)) open = false;
    if (!open) leave(c);
}

static void acceptable(struct connection *listener) {
    for (int i = 0; i < 64; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *c = calloc(1, sizeof *c);
        if (!c) die("calloc");
        c->fd = fd;
        c->counters = listener->counters;
        c->counters->connections++;
        if (++c->counters->active > c->counters->most) c->counters->most = c->counters->active;
        watch(c);
        say("220 backend.example ESMTP\r\n");
        if (!flush(c)) leave(c);
    }
}

int main(int argc, char **argv) {
    const char *file = NULL, *address = "127.0.0.1";
    for (int option; (option = getopt(argc, argv, "xa:f:")) != -1;) switch (option) {
        case 'x': xclient = true; break;
        case 'a': address = optarg; break;
        case 'f': file = optarg; break;
        default: return 64;
    }
    int first = optind < argc ? atoi(argv[optind]) : 0, last = optind + 1 < argc ? atoi(argv[optind + 1]) : first;
    if (!file || first < 1 || last < first || last > 65535) return fprintf(stderr, "smtp-backend: usage\n"), 64;

    crc32c_prepare();
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int counting = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t size = (last - first + 2) * sizeof(struct counters);
    if (counting < 0 || ftruncate(counting, size)) die(file);
    struct counters *counters = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, counting, 0);
    if (counters == MAP_FAILED) die("mmap");
    checking = &counters[0].messages;
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) die("epoll_create1");
    for (int port = first; port <= last; port++) {
        struct connection *c = calloc(1, sizeof *c);
        struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(port)};
        int on = 1;
        if (!c || inet_pton(AF_INET, address, &where.sin_addr) != 1) return 64;
        c->listener = true;
        c->counters = counters + (port - first + 1);
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(c->fd, (struct sockaddr *)&where, sizeof where) || listen(c->fd, 4096)) die("bind");
        watch(c);
    }
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(poller, events, 256, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            c->listener ? acceptable(c) : readable(c);
        }
    }
}
