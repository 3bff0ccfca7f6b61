// smtp-load -- SMTP clients in one thread: sends messages, checks every reply, measures each message's time
//
//   smtp-load [-s SESSIONS] [-m MESSAGES] [-d SECONDS] [-l OCTETS] [-n EACH] [-r RATE] [-p] [-t starttls|implicit]
//             [-a USER:PASSWORD] [-D DOMAINS] [-f FROM] [-o TO] HOST:PORT
//     -s SESSIONS   at one time (default 20)
//     -m, -d        ends behind so many messages, or begins none after so many seconds; the first that is reached
//     -l OCTETS     of a message, with line ends (default 1000)
//     -n EACH       messages a connection (default 1; 0: all; -1: none, only the greeting and QUIT, of which the former is
//                   what is counted and measured)
//     -r RATE       open loop: so many messages a second, whatever the server does; time counts from when a message was due
//     -p            as an MTA does: MAIL, RCPT and DATA in one write, with SIZE=, where EHLO announced them
//     -t MODE       TLS 1.3, a full handshake each connection, the certificate not looked at
//     -a ...        AUTH PLAIN
//     -D DOMAINS    to user@dN.example with N from 0 to DOMAINS-1 at random, else to TO (default user@flxw.de)
//   smtp-load -c [-l OCTETS]
//     Prints the CRC-32C of the body that it would send, and ends.
//   smtp-load -i SESSIONS [-t MODE] HOST:PORT
//     Opens so many sessions up to the answer to EHLO, says "idle N" and holds them until its standard input ends; then
//     {"open": still open, "lost": closed by the server}.
//
// Closed loop: each session sends its next message when the one before has been answered. A message's time is from
// connect() (the first of a connection) or MAIL to the answer to its final dot. Times are counted in log-linear buckets,
// 128 to an octave, as HdrHistogram does: within 0.8 %. A reply other than expected is an error: it is counted, the first
// few are shown, and the session begins anew. Prints one line of JSON. Exit status: 0; 1 errors; 64 usage; 71 the system.
#define _GNU_SOURCE
#include "checksum.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum state { FREE, CONNECT, HANDSHAKE, GREETING, EHLO, STARTTLS, AUTH, READY, MAIL, RCPT, DATA, DOT, QUIT };
static const char *const names[] = {"nothing", "connect", "the TLS handshake", "the connection", "EHLO", "STARTTLS",
    "AUTH", "nothing", "MAIL", "RCPT", "DATA", "the message", "QUIT"};
static const char expected[] = {0, 0, 0, '2', '2', '2', '2', 0, '2', '2', '3', '2', '2'};

struct session {
    int fd;
    enum state state;
    SSL *ssl;
    bool pipelining, size, startTLS, waitsToWrite;
    long sent;                    // messages on this connection
    uint64_t began;               // this message, in nanoseconds
    const char *out;              // what is being sent
    size_t left;
    int have;
    char in[4096], line[512];
    struct session *next;         // while it is free in an open loop
};

enum { SUBDIVISIONS = 128, OCTAVES = 57, IDLE_AT_ONCE = 256 };
static uint64_t histogram[SUBDIVISIONS * OCTAVES], most;

static long sessions = 20, wanted = -1, length = 1000, each = 1, domains, idle;
static double seconds = -1, rate;
static bool pipelined, summing;
static enum { NO_TLS, WITH_STARTTLS, WITH_TLS } tls;
static const char *from = "sender@example.org", *to = "user@flxw.de";
static char credentials[512];
static struct sockaddr_in server;
static SSL_CTX *context;
static int poller;

static char *message;
static size_t messageSize;
static uint32_t checksum;
static uint64_t start, deadline, latest;
static long begun, done, errors, connections, handshakes, open, lost, dialling, active;
static struct session *waiting;   // in an open loop, for their next message

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "smtp-load: %s: %s\n", what, strerror(errno));
    exit(71);
}

static unsigned bucket(uint64_t value) {
    if (value < SUBDIVISIONS) return value;
    unsigned shift = 63 - __builtin_clzll(value) - 7;
    return (shift + 1) * SUBDIVISIONS + (value >> shift) - SUBDIVISIONS;
}

// The middle of a bucket.
static double middle(unsigned index) {
    if (index < SUBDIVISIONS) return index;
    unsigned shift = index / SUBDIVISIONS - 1;
    return (double)((uint64_t)(index % SUBDIVISIONS + SUBDIVISIONS) << shift) + (double)(1ull << shift) / 2;
}

static double quantile(double part) {
    uint64_t seen = 0, limit = part * done;
    for (unsigned i = 0; i < SUBDIVISIONS * OCTAVES; i++)
        if ((seen += histogram[i]) > limit) return middle(i) / 1e3;
    return most / 1e3;
}

static void compose(void) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *header = "From: <sender@example.org>\r\nTo: <user@flxw.de>\r\nSubject: bench\r\n\r\n";
    size_t n = strlen(header);
    if (length < (long)n + 80) length = n + 80;
    message = malloc(length + 8);
    if (!message) die("malloc");
    memcpy(message, header, n);
    size_t body = n, lines = 0;
    while ((long)n < length) {
        size_t rest = length - n, line = rest < 156 ? (rest > 80 ? rest / 2 : rest) : 78;
        // (a line in forty begins with a dot, doubled as RFC 5321 section 4.5.2 has it)
        for (size_t i = 0; i + 2 < line; i++) message[n + i] = letters[(lines * 7 + i * 11) % 64];
        if (++lines % 40 == 0 && line > 4) message[n] = message[n + 1] = '.';
        message[n + line - 2] = '\r', message[n + line - 1] = '\n';
        n += line;
    }
    crc32c_prepare();
    checksum = ~crc32c(~0u, (unsigned char *)message + body, n - body);
    memcpy(message + n, ".\r\n", 3);
    messageSize = n + 3;
}

static void dial(struct session *s);

static bool more(void) {
    return (wanted < 0 || begun < wanted) && (deadline == 0 || now() < deadline);
}

static void hangUp(struct session *s) {
    if (s->ssl) {
        SSL_shutdown(s->ssl);
        SSL_free(s->ssl);
        s->ssl = NULL;
    }
    close(s->fd);
    s->fd = -1;
    s->have = s->left = 0;
    s->state = FREE;
    ERR_clear_error();
}

// What a session without a connection does next.
static void again(struct session *s) {
    if (idle) return;
    if (!more()) {
        active--;
        return;
    }
    if (rate > 0) {
        s->next = waiting;
        waiting = s;
        return;
    }
    begun++;
    s->began = now();
    dial(s);
}

static void fail(struct session *s, const char *what, const char *reply, int n) {
    if (errors++ < 5) fprintf(stderr, "smtp-load: at %s: %s %.*s\n", names[s->state], what, n, reply);
    if (idle) lost++;
    if (idle && s->state < READY) dialling--;
    hangUp(s);
    if (errors > 1000) {
        fprintf(stderr, "smtp-load: more than 1000 errors\n");
        exit(1);
    }
    again(s);
}

static void watch(struct session *s, bool write) {
    if (s->waitsToWrite == write) return;
    s->waitsToWrite = write;
    struct epoll_event event = {.events = write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = s};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, s->fd, &event)) die("epoll_ctl");
}

// Sends what is left; false: the connection is gone.
static bool push(struct session *s) {
    while (s->left) {
        ssize_t n;
        if (s->ssl) {
            n = SSL_write(s->ssl, s->out, s->left > 1 << 20 ? 1 << 20 : (int)s->left);
            if (n <= 0) {
                int error = SSL_get_error(s->ssl, n);
                if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) break;
                fail(s, "TLS failed while sending", "", 0);
                return false;
            }
        } else {
            n = send(s->fd, s->out, s->left, MSG_NOSIGNAL);
            if (n < 0 && errno == EAGAIN) break;
            if (n < 0) {
                fail(s, "send:", strerror(errno), 80);
                return false;
            }
        }
        s->out += n, s->left -= n;
    }
    watch(s, s->left > 0);
    return true;
}

static void tell(struct session *s, enum state state, const char *text, size_t n) {
    s->state = state;
    s->out = text, s->left = n;
    push(s);
}

static void dial(struct session *s) {
    int on = 1;
    connections++;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) die("socket");
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    s->state = tls == WITH_TLS ? CONNECT : GREETING;
    s->pipelining = s->size = s->startTLS = false;
    s->sent = s->have = s->left = 0;
    if (connect(s->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) die("connect");
    s->waitsToWrite = s->state == CONNECT;
    struct epoll_event event = {.events = s->waitsToWrite ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = s};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &event)) die("epoll_ctl");
}

static void hello(struct session *s) {
    static const char ehlo[] = "EHLO client.example.org\r\n";
    tell(s, EHLO, ehlo, sizeof ehlo - 1);
}

static void handshake(struct session *s) {
    if (!s->ssl) {
        s->ssl = SSL_new(context);
        if (!s->ssl) die("SSL_new");
        SSL_set_fd(s->ssl, s->fd);
        SSL_set_connect_state(s->ssl);
        SSL_set_tlsext_host_name(s->ssl, "mail.example");
    }
    s->state = HANDSHAKE;
    int n = SSL_do_handshake(s->ssl);
    if (n == 1) {
        handshakes++;
        watch(s, false);
        s->have = 0;
        if (tls == WITH_TLS) s->state = GREETING;
        else hello(s);
        return;
    }
    int error = SSL_get_error(s->ssl, n);
    if (error == SSL_ERROR_WANT_READ) watch(s, false);
    else if (error == SSL_ERROR_WANT_WRITE) watch(s, true);
    else fail(s, ERR_reason_error_string(ERR_peek_error()) ?: "closed", "", 0);
}

static size_t recipient(char *line, size_t room) {
    static uint64_t random = 0x9e3779b97f4a7c15;
    if (!domains) return snprintf(line, room, "RCPT TO:<%s>\r\n", to);
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    return snprintf(line, room, "RCPT TO:<user@d%lu.example>\r\n", (unsigned long)(random % domains));
}

static void transaction(struct session *s) {
    size_t n = snprintf(s->line, sizeof s->line, pipelined && s->size ? "MAIL FROM:<%s> SIZE=%ld\r\n" : "MAIL FROM:<%s>\r\n",
        from, length);
    if (pipelined && s->pipelining) {
        n += recipient(s->line + n, sizeof s->line - n);
        n += snprintf(s->line + n, sizeof s->line - n, "DATA\r\n");
    }
    tell(s, MAIL, s->line, n);
}

static void measured(struct session *s) {
    latest = now();
    uint64_t took = latest - s->began;
    histogram[bucket(took)]++;
    if (took > most) most = took;
    done++;
}

// A session that could send its next message.
static void ready(struct session *s) {
    s->state = READY;
    if (idle) {
        open++;
        dialling--;
        return;
    }
    if (each < 0) {
        measured(s);
        tell(s, QUIT, "QUIT\r\n", 6);
        return;
    }
    transaction(s);
}

static void sent(struct session *s) {
    measured(s);
    s->sent++;
    if ((each && s->sent >= each) || !more()) {
        tell(s, QUIT, "QUIT\r\n", 6);
        return;
    }
    s->state = READY;
    if (rate > 0) {
        s->next = waiting;
        waiting = s;
        return;
    }
    begun++;
    s->began = now();
    transaction(s);
}

// A complete reply that was the expected one.
static void proceed(struct session *s) {
    bool batch = pipelined && s->pipelining;
    switch (s->state) {
        case GREETING:
            if (each < 0) ready(s);
            else hello(s);
            return;
        case EHLO:
            if (tls == WITH_STARTTLS && !s->ssl) tell(s, STARTTLS, "STARTTLS\r\n", 10);
            else if (*credentials) tell(s, AUTH, credentials, strlen(credentials));
            else ready(s);
            return;
        case STARTTLS: handshake(s); return;
        case AUTH: ready(s); return;
        case MAIL:
            if (batch) s->state = RCPT;
            else {
                size_t n = recipient(s->line, sizeof s->line);
                tell(s, RCPT, s->line, n);
            }
            return;
        case RCPT:
            if (batch) s->state = DATA;
            else tell(s, DATA, "DATA\r\n", 6);
            return;
        case DATA: tell(s, DOT, message, messageSize); return;
        case DOT: sent(s); return;
        case QUIT:
            hangUp(s);
            again(s);
            return;
        case FREE: case CONNECT: case HANDSHAKE: case READY: return;
    }
}

// Takes what replies there are.
static void readable(struct session *s) {
    for (;;) {
        int room = sizeof s->in - s->have;
        ssize_t n;
        if (s->ssl) {
            n = SSL_read(s->ssl, s->in + s->have, room);
            if (n <= 0 && SSL_get_error(s->ssl, n) == SSL_ERROR_WANT_READ) return;
        } else {
            n = recv(s->fd, s->in + s->have, room, 0);
            if (n < 0 && errno == EAGAIN) return;
        }
        if (n <= 0) {
            if (idle && s->state == READY) open--;
            fail(s, "the server closed", "", 0);
            return;
        }
        s->have += n;
        int at = 0;
        char *lf;
        while ((lf = memchr(s->in + at, '\n', s->have - at))) {
            char *line = s->in + at;
            int size = lf - line;
            at += size + 1;
            if (size < 4 || line[0] != expected[s->state] || (s->state == DOT && s->left)) {
                fail(s, "the server said", line, size);
                return;
            }
            if (s->state == EHLO) {
                if (!strncasecmp(line + 4, "PIPELINING", 10)) s->pipelining = true;
                if (!strncasecmp(line + 4, "SIZE", 4)) s->size = true;
            }
            if (line[3] == '-') continue;
            proceed(s);
            // (the connection has ended, or another has begun in its place, or what follows is TLS)
            if (s->have == 0 || s->state == HANDSHAKE) return;
        }
        s->have -= at;
        memmove(s->in, s->in + at, s->have);
        if (s->have == sizeof s->in) {
            fail(s, "a line without an end", "", 0);
            return;
        }
        if (!s->ssl) return;   // (level-triggered; a short read has all there was)
    }
}

static void handle(struct session *s, uint32_t events) {
    if (s->state == FREE) return;
    if (s->state == CONNECT && !(events & (EPOLLERR | EPOLLHUP))) {
        handshake(s);
        return;
    }
    if (s->state == HANDSHAKE) {
        handshake(s);
        return;
    }
    if ((events & EPOLLOUT) && s->left && !push(s)) return;
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) readable(s);
}

// Waits, in an open loop only until the next message is due.
static void turn(void) {
    struct epoll_event events[256];
    struct timespec pause = {.tv_sec = 1}, *limit = deadline || rate > 0 ? &pause : NULL;
    if (rate > 0) {
        while (waiting) {
            if (!more()) {
                struct session *s = waiting;
                waiting = s->next;
                if (s->state == READY) tell(s, QUIT, "QUIT\r\n", 6);
                else active--;
                continue;
            }
            // (what was due while no session was free is sent late, and its time counts from then)
            uint64_t due = start + (uint64_t)(begun * 1e9 / rate), t = now();
            if (due > t) {
                pause = (struct timespec){.tv_sec = (due - t) / 1000000000, .tv_nsec = (due - t) % 1000000000};
                break;
            }
            struct session *s = waiting;
            waiting = s->next;
            begun++;
            s->began = due;
            if (s->state == READY) transaction(s);
            else dial(s);
        }
    }
    if (active <= 0 && !idle) return;
    int n = epoll_pwait2(poller, events, 256, limit, NULL);
    if (n < 0 && errno != EINTR) die("epoll_pwait2");
    for (int i = 0; i < n; i++) handle(events[i].data.ptr, events[i].events);
}

static void hold(struct session *all) {
    long next = 0;
    while (open + lost < idle) {
        for (; next < idle && dialling < IDLE_AT_ONCE; dialling++) dial(&all[next++]);
        turn();
    }
    printf("idle %ld\n", open);
    fflush(stdout);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL}, events[64];
    bool held = !epoll_ctl(poller, EPOLL_CTL_ADD, 0, &input);
    while (held) {
        int n = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) handle(events[i].data.ptr, events[i].events);
            else held = false;
        }
    }
    printf("{\"open\": %ld, \"lost\": %ld}\n", open, lost);
    exit(lost ? 1 : 0);
}

static void logIn(const char *given) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char plain[256] = {0};
    size_t n = 1 + snprintf((char *)plain + 1, sizeof plain - 1, "%s", given);
    for (size_t i = 1; i < n; i++)
        if (plain[i] == ':') {
            plain[i] = 0;
            break;
        }
    char *at = credentials + sprintf(credentials, "AUTH PLAIN ");
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = plain[i] << 16 | (i + 1 < n ? plain[i + 1] << 8 : 0) | (i + 2 < n ? plain[i + 2] : 0);
        *at++ = digits[v >> 18 & 63], *at++ = digits[v >> 12 & 63];
        *at++ = i + 1 < n ? digits[v >> 6 & 63] : '=', *at++ = i + 2 < n ? digits[v & 63] : '=';
    }
    strcpy(at, "\r\n");
}

static double cpu(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

int main(int argc, char **argv) {
    for (int option; (option = getopt(argc, argv, "s:m:d:l:n:r:pt:a:D:f:o:i:c")) != -1;) switch (option) {
        case 's': sessions = atol(optarg); break;
        case 'm': wanted = atol(optarg); break;
        case 'd': seconds = atof(optarg); break;
        case 'l': length = atol(optarg); break;
        case 'n': each = atol(optarg); break;
        case 'r': rate = atof(optarg); break;
        case 'p': pipelined = true; break;
        case 't': tls = strcmp(optarg, "implicit") ? WITH_STARTTLS : WITH_TLS; break;
        case 'a': logIn(optarg); break;
        case 'D': domains = atol(optarg); break;
        case 'f': from = optarg; break;
        case 'o': to = optarg; break;
        case 'c': summing = true; break;
        case 'i': idle = atol(optarg); break;
        default: return 64;
    }
    if (summing) {
        compose();
        printf("%u\n", checksum);
        return 0;
    }
    char *colon = optind < argc ? strrchr(argv[optind], ':') : NULL;
    if (!colon || (wanted < 0 && seconds < 0 && !idle) || sessions < 1)
        return fprintf(stderr, "smtp-load: needs HOST:PORT, and -m or -d\n"), 64;
    *colon = 0;
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(colon + 1));
    if (inet_pton(AF_INET, argv[optind], &server.sin_addr) != 1) return fprintf(stderr, "smtp-load: HOST is an IPv4 address\n"), 64;

    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (tls != NO_TLS) {
        context = SSL_CTX_new(TLS_client_method());
        if (!context) die("SSL_CTX_new");
        SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
            | SSL_MODE_RELEASE_BUFFERS);
    }
    compose();
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) die("epoll_create1");
    long count = idle ? idle : sessions;
    struct session *all = calloc(count, sizeof *all);
    if (!all) die("calloc");
    if (idle) hold(all);

    start = now();
    if (seconds > 0) deadline = start + (uint64_t)(seconds * 1e9);
    active = count;
    for (long i = 0; i < count; i++) again(&all[i]);
    while (active > 0) turn();
    double took = ((latest ?: now()) - start) / 1e9;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"messages\": %ld, \"errors\": %ld, \"seconds\": %.6f, \"connections\": %ld, \"handshakes\": %ld, \"octets\": %ld, "
           "\"user\": %.6f, \"system\": %.6f, \"latency\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, "
           "\"p999\": %.1f, \"max\": %.1f}}\n",
        done, errors, took, connections, handshakes, length, cpu(usage.ru_utime), cpu(usage.ru_stime),
        quantile(.5), quantile(.9), quantile(.99), quantile(.999), most / 1e3);
    return errors ? 1 : 0;
}
