/* postern.h -- listeners from postern-broker, by name. One header, C99, nothing but libc (Linux).
 *
 *     struct postern broker;
 *     struct postern_error error;
 *     struct postern_listeners listeners;
 *     const char *names[] = {"smtp"};
 *     if (postern_connect(&broker, NULL, 10000, &error) != 0
 *         || postern_get(&broker, names, 1, POSTERN_SHARED, 0, &listeners, &error) != 0) {
 *         fprintf(stderr, "%s\n", error.message);
 *         exit(69);
 *     }
 *     accept(listeners.items[0].fd, NULL, NULL);
 *
 * The connection is the lease: keep it open for as long as the listeners are used; a forked child holds it as well. Every
 * function returns 0, or the code that it leaves in the error as well: above 0 that of the broker's reply (docs/pb1.md:
 * 403 denied, 404 missing, 409 busy ...), below 0 one of enum postern_code. On failure nothing of a grant is open.
 *
 * With -std=c99 and its like, define _DEFAULT_SOURCE or _GNU_SOURCE before the first #include. Does not read LISTEN_FDS: sd_listen_fds(3) does, and postern-exec sets it. */
#ifndef POSTERN_H
#define POSTERN_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_PROTOCOL
#error "postern.h: define _DEFAULT_SOURCE or _GNU_SOURCE before the first #include, or compile with -std=gnu99 or later"
#endif

enum {
    POSTERN_MAX_REQUEST = 4096,
    POSTERN_MAX_REPLY = 16384,
    POSTERN_MAX_FDS = 64,
    POSTERN_MAX_NAMES = 32
};

/* Why it failed, where the broker did not refuse. */
enum postern_code {
    POSTERN_OK = 0,
    POSTERN_SYSTEM = -1,       /* a system call failed: system_errno */
    POSTERN_NO_BROKER = -2,    /* nobody listens on the broker's socket */
    POSTERN_CLOSED = -3,       /* the broker closed the connection */
    POSTERN_TIMED_OUT = -4,    /* no answer in time; the connection is closed */
    POSTERN_BAD_REPLY = -5,    /* the answer is not PB1, or not to what was asked */
    POSTERN_BAD_ARGUMENT = -6  /* the caller asked for what PB1 has not */
};

enum postern_mode { POSTERN_SHARED, POSTERN_EXCLUSIVE };

/* What went wrong: the operation, its object and the cause. */
struct postern_error {
    int code;         /* as the function returned it */
    int system_errno; /* of the call that failed; 0 if none did */
    char message[512];
};

/* A connection to the broker, on which HELLO has been answered. Not for several threads at once. */
struct postern {
    int fd;              /* close-on-exec; readable once the broker has ended or closed it; -1 once closed */
    int timeout;         /* milliseconds that the broker may take for an answer */
    unsigned count;      /* requests so far */
    char generation[17]; /* of the broker: another at each of its starts */
    char path[108];
};

/* A socket as the policy has it. */
struct postern_spec {
    int is_udp;
    int family;                /* AF_INET, AF_INET6, or AF_UNSPEC for `*` */
    unsigned char address[16]; /* 4 bytes of it with AF_INET */
    uint16_t port;
    int is_v6only;
    char device[16];
};

/* A listener of a grant. */
struct postern_listener {
    char name[64];
    struct postern_spec spec;
    int fd; /* close-on-exec, the caller's */
};

/* The listeners of a grant, in the broker's order: names as they were asked for, each name's as the policy has them. */
struct postern_listeners {
    size_t count;
    struct postern_listener items[POSTERN_MAX_FDS];
};

/* A reply, with the descriptors that came: the caller's, close-on-exec. */
struct postern_reply {
    int code;
    char tag[9];
    size_t length; /* of text, which a NUL follows */
    char text[POSTERN_MAX_REPLY + 1];
    size_t count;
    int fds[POSTERN_MAX_FDS];
};

/* Part of a text; not ended by a NUL. */
struct postern_text {
    const char *start;
    size_t length;
};

/* A packet, being read line by line. */
struct postern_packet {
    int is_reply;
    struct postern_text word; /* a request's verb, or a reply's code */
    struct postern_text tag;
    const char *lines, *next, *end;
};

/* ---- Text. Nothing here is a system call. ---- */

static inline int postern__is(struct postern_text text, const char *word)
{
    return strlen(word) == text.length && memcmp(text.start, word, text.length) == 0;
}

static inline int postern__is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Whether it is a listener's name, [A-Za-z0-9._-]{1,63}. */
static inline int postern__is_name(struct postern_text text)
{
    if (text.length < 1 || text.length > 63) return 0;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.start[i];
        if (!postern__is_alphanumeric(c) && c != '.' && c != '_' && c != '-') return 0;
    }
    return 1;
}

/* A number without sign and leading zeros; -1 if it is none, or above the limit. */
static inline long postern__decimal(struct postern_text text, long limit)
{
    long value = 0;
    if (text.length == 0 || (text.length > 1 && text.start[0] == '0')) return -1;
    for (size_t i = 0; i < text.length; i++) {
        if (text.start[i] < '0' || text.start[i] > '9') return -1;
        value = value * 10 + (text.start[i] - '0');
        if (value > limit) return -1;
    }
    return value;
}

/* Takes what stands before the separator out of a text, and steps over it; *has_more is 0 behind the last part. */
static inline struct postern_text postern__part(struct postern_text *text, char separator, int *has_more)
{
    const char *found = text->length ? memchr(text->start, separator, text->length) : NULL;
    struct postern_text part = *text;
    *has_more = found != NULL;
    if (found) part.length = (size_t)(found - text->start);
    text->start += part.length + (found ? 1 : 0);
    text->length -= part.length + (found ? 1 : 0);
    return part;
}

/* Reads the line at *next, and steps behind it. 1, or 0 if it is not key=value. */
static inline int postern__line(
    const char **next, const char *end, struct postern_text *key, struct postern_text *value)
{
    struct postern_text rest = {*next, (size_t)(end - *next)}, line;
    int has_more;
    line = postern__part(&rest, '\n', &has_more);
    *next = rest.start;
    *key = postern__part(&line, '=', &has_more);
    *value = line;
    if (!has_more || !postern__is_name(*key)) return 0;
    for (size_t i = 0; i < key->length; i++)
        if (key->start[i] >= 'A' && key->start[i] <= 'Z') return 0;
    return 1;
}

/* Reads a packet's first line. NULL, or what is wrong: a word of Tests/Vectors. */
static inline const char *postern__open_packet(
    struct postern_packet *packet, const char *text, size_t length, int is_reply)
{
    struct postern_text rest = {text, length}, head;
    int has_more;
    if (length == 0) return "empty";
    if (length > (is_reply ? POSTERN_MAX_REPLY : POSTERN_MAX_REQUEST)) return "tooLong";
    for (size_t i = 0; i < length; i++)
        if (text[i] != '\n' && (text[i] < 0x20 || text[i] > 0x7E)) return "badByte";
    head = postern__part(&rest, '\n', &has_more);
    if (head.length <= 4 || memcmp(head.start, "PB", 2) != 0) return "badHead";
    if (memcmp(head.start, "PB1 ", 4) != 0) return "badVersion";
    packet->is_reply = is_reply;
    packet->lines = packet->next = rest.start;
    packet->end = text + length;
    (void)postern__part(&head, ' ', &has_more);
    packet->word = postern__part(&head, ' ', &has_more);
    if (packet->word.length == 0 || !has_more) return "badHead";
    if (is_reply) {
        if (packet->word.length != 3 || postern__decimal(packet->word, 999) < 100) return "badHead";
        if (postern__part(&head, ' ', &has_more).length == 0 || !has_more) return "badHead";
    }
    packet->tag = head;
    if (head.length < 1 || head.length > 8) return "badHead";
    for (size_t i = 0; i < head.length; i++)
        if (!postern__is_alphanumeric(head.start[i])) return "badHead";
    return NULL;
}

/* Reads the next line: 1, 0 at the end, or -1 with what is wrong in *error. */
static inline int postern__next_line(
    struct postern_packet *packet, struct postern_text *key, struct postern_text *value, const char **error)
{
    const char *line = packet->next, *earlier = packet->lines;
    struct postern_text other, ignored;
    if (line == packet->end) return 0;
    *error = "badLine";
    if (!postern__line(&packet->next, packet->end, key, value)) return -1;
    if (postern__is(*key, packet->is_reply ? "item" : "name")) return 1;
    *error = "repeatedKey";
    while (earlier < line) {
        /* (It has been read before.) */
        (void)postern__line(&earlier, packet->end, &other, &ignored);
        if (other.length == key->length && memcmp(other.start, key->start, key->length) == 0) return -1;
    }
    return 1;
}

/* Reads `tcp [::]:25`, with `v6only` and `device=NAME` behind it where they hold. 1, or 0 if it is no spec. */
static inline int postern__parse_spec(struct postern_text text, struct postern_spec *spec)
{
    int has_more;
    char host[INET6_ADDRSTRLEN + 2];
    struct postern_text word = postern__part(&text, ' ', &has_more);
    size_t colon;
    long port;
    memset(spec, 0, sizeof *spec);
    spec->is_udp = postern__is(word, "udp");
    if ((!spec->is_udp && !postern__is(word, "tcp")) || !has_more) return 0;
    word = postern__part(&text, ' ', &has_more);
    for (colon = word.length; colon > 0 && word.start[colon - 1] != ':'; colon--) {}
    if (colon < 2 || colon - 1 >= sizeof host) return 0;
    port = postern__decimal((struct postern_text){word.start + colon, word.length - colon}, 65535);
    if (port < 1) return 0;
    spec->port = (uint16_t)port;
    memcpy(host, word.start, colon - 1);
    host[colon - 1] = 0;
    if (strcmp(host, "*") == 0) {
        spec->family = AF_UNSPEC;
    } else if (host[0] == '[' && host[colon - 2] == ']') {
        spec->family = AF_INET6;
        host[colon - 2] = 0;
        if (inet_pton(AF_INET6, host + 1, spec->address) != 1) return 0;
    } else {
        spec->family = AF_INET;
        if (inet_pton(AF_INET, host, spec->address) != 1) return 0;
    }
    while (has_more) {
        word = postern__part(&text, ' ', &has_more);
        if (postern__is(word, "v6only") && !spec->is_v6only) {
            spec->is_v6only = 1;
        } else if (word.length >= 8 && word.length <= 22 && memcmp(word.start, "device=", 7) == 0 && !spec->device[0]) {
            memcpy(spec->device, word.start + 7, word.length - 7);
        } else {
            return 0;
        }
    }
    return 1;
}

/* Reads a reply to the request with that tag. NULL, or what is wrong. A refusal before any request has the tag 0. */
static inline const char *postern__parse_reply(
    struct postern_packet *packet, const char *text, size_t length, const char *tag)
{
    struct postern_packet lines;
    struct postern_text key, value;
    const char *error = NULL;
    int result;
    if (postern__open_packet(packet, text, length, 1)) return "not a PB1 reply";
    lines = *packet;
    while ((result = postern__next_line(&lines, &key, &value, &error)) > 0) {}
    if (result < 0) return "not a PB1 reply";
    if (!postern__is(packet->tag, tag) && (postern__is(packet->word, "200") || !postern__is(packet->tag, "0")))
        return "the reply to another request";
    return NULL;
}

/* The value of a key, of a packet whose lines have been read once; its start is NULL if there is none. */
static inline struct postern_text postern__value(struct postern_packet packet, const char *wanted)
{
    struct postern_text key, value, none = {NULL, 0};
    const char *error;
    while (postern__next_line(&packet, &key, &value, &error) > 0)
        if (postern__is(key, wanted)) return value;
    return none;
}

/* Reads a reply of code 200 as the grant of names; every fd of it is -1. NULL, or what is wrong. */
static inline const char *postern__parse_grant(
    struct postern_packet packet, const char *const *names, size_t count, struct postern_listeners *listeners)
{
    struct postern_text key, value, word, lines[POSTERN_MAX_FDS];
    const char *error;
    size_t found;
    int has_more;
    long announced = 0;
    memset(lines, 0, sizeof lines);
    listeners->count = 0;
    while (postern__next_line(&packet, &key, &value, &error) > 0) {
        if (postern__is(key, "fds")) announced = postern__decimal(value, POSTERN_MAX_FDS);
        if (key.length > 3 && memcmp(key.start, "fd.", 3) == 0) {
            long index = postern__decimal((struct postern_text){key.start + 3, key.length - 3}, POSTERN_MAX_FDS - 1);
            if (index < 0) continue;
            lines[index] = value;
        }
    }
    if (announced < 0) return "fds= is 0 to 64";
    for (size_t i = 0; i < (size_t)announced; i++) {
        word = lines[i];
        if (!word.start || !postern__is_name(postern__part(&word, ' ', &has_more)))
            return "a descriptor without its line";
    }
    found = (size_t)announced;
    for (size_t i = 0; i < found; i++) {
        struct postern_listener *item = &listeners->items[i];
        word = postern__part(&lines[i], ' ', &has_more);
        memset(item, 0, sizeof *item);
        memcpy(item->name, word.start, word.length);
        item->fd = -1;
        if (!postern__parse_spec(lines[i], &item->spec)) return "spec";
    }
    for (size_t i = 0; i < found; i++) {
        size_t name = 0;
        while (name < count && strcmp(names[name], listeners->items[i].name) != 0) name++;
        if (name == count) return "a name that was not asked for";
    }
    for (size_t name = 0; name < count; name++) {
        size_t i = 0;
        while (i < found && strcmp(names[name], listeners->items[i].name) != 0) i++;
        if (i == found) return "a name that was asked for did not come";
    }
    listeners->count = found;
    return NULL;
}

/* ---- The connection. ---- */

/* Fills the error, and returns its code. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static inline int postern__fail(struct postern_error *error, int code, int system_errno, const char *format, ...)
{
    va_list arguments;
    error->code = code;
    error->system_errno = system_errno;
    va_start(arguments, format);
    (void)vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return code;
}

static inline void postern__close_fds(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0) (void)close(fds[i]);
}

static inline long postern__now(void)
{
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Closes the connection, and so ends the lease, unless another process has a copy. */
static inline void postern_close(struct postern *broker)
{
    if (broker->fd >= 0) (void)close(broker->fd);
    broker->fd = -1;
}

/* Whether the connection is well, as far as it shows at this moment; 0 once the broker has ended. */
static inline int postern_is_open(const struct postern *broker)
{
    struct pollfd waiting = {broker->fd, POLLIN, 0};
    int result;
    if (broker->fd < 0) return 0;
    do result = poll(&waiting, 1, 0);
    while (result < 0 && errno == EINTR);
    return result == 0;
}

/* Closes the listeners of a grant. */
static inline void postern_close_listeners(struct postern_listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (listeners->items[i].fd >= 0) (void)close(listeners->items[i].fd);
    listeners->count = 0;
}

/* Waits until the connection can be read or written: 1, 0 if the time is over, -1 with errno. */
static inline int postern__wait(int fd, short event, long deadline)
{
    struct pollfd waiting = {fd, event, 0};
    for (;;) {
        long left = deadline - postern__now();
        int result = poll(&waiting, 1, left > 0 ? (int)left : 0);
        if (result != 0 && !(result < 0 && errno == EINTR)) return result;
        if (left <= 0) return 0;
    }
}

/* Receives one packet: NULL, or what is wrong with it; then nothing that came is open. "" for an errno, or the end. */
static inline const char *postern__receive(int fd, struct postern_reply *reply)
{
    /* Room for one descriptor more than there may be: a surplus one shows, and is closed. */
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE((POSTERN_MAX_FDS + 1) * sizeof(int))];
    } control;
    /* (The kernel fills the buffer's padding, too: as many as its bytes hold.) */
    int came[sizeof control.bytes / sizeof(int)];
    struct iovec part = {reply->text, POSTERN_MAX_REPLY};
    struct msghdr message;
    struct cmsghdr *header;
    ssize_t length;
    int is_odd;
    memset(&message, 0, sizeof message);
    memset(&control, 0, sizeof control);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    reply->count = 0;
    do length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    if (length < 0) return "";
    is_odd = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        size_t bytes = header->cmsg_len - CMSG_LEN(0), count = bytes / sizeof(int);
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            is_odd = 1;
            continue;
        }
        if (bytes % sizeof(int) != 0) is_odd = 1;
        memcpy(came + reply->count, CMSG_DATA(header), count * sizeof(int));
        reply->count += count;
    }
    if (is_odd || reply->count > POSTERN_MAX_FDS || length == 0) {
        postern__close_fds(came, reply->count);
        reply->count = 0;
        errno = 0;
        return length == 0 ? "" : "the reply was cut off on its way";
    }
    memcpy(reply->fds, came, reply->count * sizeof(int));
    reply->length = (size_t)length;
    reply->text[length] = 0;
    return NULL;
}

/* Any request of PB1: sends it with `fd_count` descriptors, which stay the caller's, and waits for its reply.
 *
 * `lines` is "key=value\n" as often as needed, or "". `wait` is milliseconds on top of the connection's timeout. 0 with a
 * reply of code 200 only; the reply's text and code are there after a refusal, too, but no descriptor is. The caller
 * closes those that came with a 200, and looks for what they are: postern_get does both. */
static inline int postern_request(
    struct postern *broker, const char *verb, const char *lines, const int *fds, size_t fd_count, int wait,
    struct postern_reply *reply, struct postern_error *error)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(8 * sizeof(int))];
    } control;
    char text[POSTERN_MAX_REQUEST + 1], tag[9];
    struct postern_packet packet;
    struct postern_text key, value;
    struct iovec part;
    struct msghdr message;
    const char *reason = NULL;
    long deadline = postern__now() + broker->timeout;
    int length, result, failure;

    reply->code = 0;
    reply->count = reply->length = 0;
    reply->text[0] = 0;
    (void)snprintf(tag, sizeof tag, "%u", broker->count = broker->count % 99999999 + 1);
    length = snprintf(text, sizeof text, "PB1 %s %s\n%s", verb, tag, lines);
    if (length > POSTERN_MAX_REQUEST || fd_count > 8 || postern__open_packet(&packet, text, (size_t)length, 0))
        return postern__fail(error, POSTERN_BAD_ARGUMENT, 0, "%s: not a request of PB1", verb);
    while ((result = postern__next_line(&packet, &key, &value, &reason)) > 0) {}
    if (result < 0) return postern__fail(error, POSTERN_BAD_ARGUMENT, 0, "%s: not a request of PB1", verb);

    memset(&message, 0, sizeof message);
    memset(&control, 0, sizeof control);
    part.iov_base = text;
    part.iov_len = (size_t)length;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
    }
    for (;;) {
        if (sendmsg(broker->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == length) break;
        if (errno != EAGAIN && errno != EINTR) goto failed;
        result = postern__wait(broker->fd, POLLOUT, deadline);
        if (result < 0) goto failed;
        if (result == 0) goto late;
    }
    result = postern__wait(broker->fd, POLLIN, deadline + wait);
    if (result < 0) goto failed;
    if (result == 0) goto late;
    reason = postern__receive(broker->fd, reply);
    if (reason && !*reason) goto failed;
    if (!reason) reason = postern__parse_reply(&packet, reply->text, reply->length, tag);
    if (!reason) {
        reply->code = (int)postern__decimal(packet.word, 999);
        memcpy(reply->tag, packet.tag.start, packet.tag.length);
        reply->tag[packet.tag.length] = 0;
        if (reply->code == 200) return POSTERN_OK;
        if (reply->count > 0) reason = "a refusal with descriptors";
    }
    postern__close_fds(reply->fds, reply->count);
    reply->count = 0;
    if (!reason) {
        value = postern__value(packet, "text");
        return postern__fail(
            error, reply->code, 0, "%s at the broker %s: %d: %.*s", verb, broker->path, reply->code, (int)value.length,
            value.start ? value.start : "");
    }
    postern_close(broker);
    return postern__fail(error, POSTERN_BAD_REPLY, 0, "%s at the broker %s: %s", verb, broker->path, reason);

late:
    /* What comes later would be taken for the answer to another request. */
    postern_close(broker);
    return postern__fail(error, POSTERN_TIMED_OUT, 0, "%s at the broker %s: no answer in time", verb, broker->path);

failed:
    failure = errno;
    postern_close(broker);
    if (failure == 0 || failure == EPIPE || failure == ECONNRESET || failure == EBADF)
        return postern__fail(
            error, POSTERN_CLOSED, failure, "%s at the broker %s: the connection is closed", verb, broker->path);
    return postern__fail(
        error, POSTERN_SYSTEM, failure, "%s at the broker %s: %s", verb, broker->path, strerror(failure));
}

/* A request without descriptors either way. */
static inline int postern__ask(
    struct postern *broker, const char *verb, const char *lines, struct postern_reply *reply,
    struct postern_error *error)
{
    int code = postern_request(broker, verb, lines, NULL, 0, 0, reply, error);
    if (code != POSTERN_OK || reply->count == 0) return code;
    postern__close_fds(reply->fds, reply->count);
    postern_close(broker);
    return postern__fail(
        error, POSTERN_BAD_REPLY, 0, "%s at the broker %s: descriptors that do not belong there", verb, broker->path);
}

/* Connects, and says HELLO. `path` NULL: that of POSTERN_BROKER in the environment (a program with more rights than its
 * caller gives the path itself), or /run/postern/broker.sock. The timeout, in milliseconds, is for each answer. */
static inline int postern_connect(
    struct postern *broker, const char *path, int timeout, struct postern_error *error)
{
    struct sockaddr_un address;
    struct timeval limit = {timeout / 1000, timeout % 1000 * 1000};
    struct postern_reply reply;
    struct postern_packet packet;
    struct postern_text generation;
    int code;

    memset(broker, 0, sizeof *broker);
    memset(&address, 0, sizeof address);
    broker->fd = -1;
    broker->timeout = timeout;
    if (!path) path = getenv("POSTERN_BROKER");
    if (!path || !*path) path = "/run/postern/broker.sock";
    if (strlen(path) >= sizeof address.sun_path)
        return postern__fail(error, POSTERN_BAD_ARGUMENT, ENAMETOOLONG, "connect to the broker %s: too long", path);
    strcpy(broker->path, path);
    strcpy(address.sun_path, path);
    address.sun_family = AF_UNIX;
    broker->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (broker->fd < 0 || setsockopt(broker->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0
        || connect(broker->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int failure = errno;
        code = failure == ENOENT || failure == ECONNREFUSED ? POSTERN_NO_BROKER
             : failure == EAGAIN                           ? POSTERN_TIMED_OUT
                                                           : POSTERN_SYSTEM;
        postern_close(broker);
        return postern__fail(error, code, failure, "connect to the broker %s: %s", path, strerror(failure));
    }
    code = postern__ask(broker, "HELLO", "max=1\n", &reply, error);
    if (code == POSTERN_OK) {
        (void)postern__open_packet(&packet, reply.text, reply.length, 1);
        generation = postern__value(packet, "generation");
        if (generation.length != sizeof broker->generation - 1)
            code = postern__fail(
                error, POSTERN_BAD_REPLY, 0, "HELLO at the broker %s: a reply without generation=", path);
        else
            memcpy(broker->generation, generation.start, generation.length);
    }
    if (code != POSTERN_OK) postern_close(broker);
    return code;
}

/* Writes a line for each name behind what there is. 1, or 0 if they are not 1 to 32 names. */
static inline int postern__write_names(char *lines, size_t size, const char *const *names, size_t count)
{
    if (count < 1 || count > POSTERN_MAX_NAMES) return 0;
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(lines);
        if (!postern__is_name((struct postern_text){names[i], strlen(names[i])})) return 0;
        if (snprintf(lines + used, size - used, "name=%s\n", names[i]) >= (int)(size - used)) return 0;
    }
    return 1;
}

/* Whether a descriptor is what its line promises: NULL, or how it differs. */
static inline const char *postern__check_socket(int fd, const struct postern_spec *spec)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound;
    static const unsigned char zero[16];
    socklen_t length = sizeof(int);
    int domain = 0, type = 0, protocol = 0, is_listening = 0, is_v6only = 0;
    char device[16];
    const void *address;
    size_t bytes;
    uint16_t port;

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0) return "not a socket";
    if (domain != AF_INET && domain != AF_INET6) return "neither IPv4 nor IPv6";
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0
        || getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) != 0
        || type != (spec->is_udp ? SOCK_DGRAM : SOCK_STREAM)
        || protocol != (spec->is_udp ? IPPROTO_UDP : IPPROTO_TCP))
        return "another kind of socket";
    if (!spec->is_udp
        && (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length) != 0 || is_listening != 1))
        return "not listening";
    memset(&bound, 0, sizeof bound);
    length = sizeof bound;
    if (getsockname(fd, &bound.any, &length) != 0) return "bound elsewhere";
    address = domain == AF_INET ? (const void *)&bound.v4.sin_addr : (const void *)&bound.v6.sin6_addr;
    bytes = domain == AF_INET ? 4 : 16;
    port = ntohs(domain == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
    if (port != spec->port || (spec->family != AF_UNSPEC && spec->family != domain)
        || memcmp(address, spec->family == AF_UNSPEC ? zero : spec->address, bytes) != 0)
        return "bound elsewhere";
    /* (For any other address the kernel turns IPV6_V6ONLY on by itself.) */
    length = sizeof(int);
    if (domain == AF_INET6 && memcmp(address, zero, 16) == 0
        && (getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &is_v6only, &length) != 0 || !is_v6only != !spec->is_v6only))
        return "another IPV6_V6ONLY";
    memset(device, 0, sizeof device);
    length = sizeof device;
    if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &length) != 0
        || memcmp(device, spec->device, sizeof device) != 0)
        return "bound to another device";
    return NULL;
}

/* GET: the listeners of every name, or of none. `wait` is how many milliseconds the broker may wait until all can be
 * granted, 60000 at most. The descriptors are the caller's; the lease on them is the connection. */
static inline int postern_get(
    struct postern *broker, const char *const *names, size_t count, enum postern_mode mode, int wait,
    struct postern_listeners *listeners, struct postern_error *error)
{
    char lines[POSTERN_MAX_REQUEST] = "", more[48];
    struct postern_reply reply;
    struct postern_packet packet;
    const char *reason, *name = "";
    int code;

    listeners->count = 0;
    (void)snprintf(more, sizeof more, "%swait=%d\n", mode == POSTERN_EXCLUSIVE ? "mode=exclusive\n" : "", wait);
    if (wait < 0 || wait > 60000 || !postern__write_names(lines, sizeof lines - sizeof more, names, count))
        return postern__fail(error, POSTERN_BAD_ARGUMENT, 0, "GET: 1 to 32 names, and 0 to 60000 milliseconds");
    strcat(lines, more);
    code = postern_request(broker, "GET", lines, NULL, 0, wait, &reply, error);
    if (code != POSTERN_OK) return code;
    (void)postern__open_packet(&packet, reply.text, reply.length, 1);
    reason = postern__parse_grant(packet, names, count, listeners);
    if (!reason && listeners->count != reply.count) reason = "another number of descriptors came than was announced";
    for (size_t i = 0; !reason && i < reply.count; i++) {
        reason = postern__check_socket(reply.fds[i], &listeners->items[i].spec);
        name = listeners->items[i].name;
    }
    if (reason) {
        postern__close_fds(reply.fds, reply.count);
        listeners->count = 0;
        return postern__fail(
            error, POSTERN_BAD_REPLY, 0, "GET at the broker %s: %s%s%s", broker->path, reason, *name ? ": " : "", name);
    }
    for (size_t i = 0; i < reply.count; i++) listeners->items[i].fd = reply.fds[i];
    return POSTERN_OK;
}

/* RELEASE: gives names back. 404 where one is not held on this connection; then all of them still are. */
static inline int postern_release(
    struct postern *broker, const char *const *names, size_t count, struct postern_error *error)
{
    char lines[POSTERN_MAX_REQUEST] = "";
    struct postern_reply reply;
    if (!postern__write_names(lines, sizeof lines, names, count))
        return postern__fail(error, POSTERN_BAD_ARGUMENT, 0, "RELEASE: 1 to 32 names");
    return postern__ask(broker, "RELEASE", lines, &reply, error);
}

#endif
