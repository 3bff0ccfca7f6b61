#define _GNU_SOURCE
#include "CPosternSys.h"

#include <sys/pidfd.h>
#include <sys/vfs.h>

#define PIDFS_MAGIC 0x50494446

int cpostern_errno(void) { return errno; }

const char *cpostern_error_text(int error) {
    const char *text = strerrordesc_np(error);
    return text ? text : "unknown error";
}

int cpostern_openat(int folder, const char *path, int flags) { return openat(folder, path, flags); }
int cpostern_fcntl(int fd, int command, long argument) { return fcntl(fd, command, argument); }
int cpostern_prctl(int option, unsigned long a, unsigned long b) { return prctl(option, a, b, 0UL, 0UL); }
int cpostern_get_name(void *name) { return prctl(PR_GET_NAME, name, 0UL, 0UL, 0UL); }
int cpostern_bind(int fd, const void *address, socklen_t length) { return bind(fd, address, length); }
int cpostern_connect(int fd, const void *address, socklen_t length) { return connect(fd, address, length); }
int cpostern_getsockname(int fd, void *address, socklen_t *length) { return getsockname(fd, address, length); }

int cpostern_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }
int cpostern_getresuid(uid_t *real, uid_t *effective, uid_t *saved) { return getresuid(real, effective, saved); }
int cpostern_getresgid(gid_t *real, gid_t *effective, gid_t *saved) { return getresgid(real, effective, saved); }
int cpostern_setresuid(uid_t uid) { return setresuid(uid, uid, uid); }
int cpostern_setresgid(gid_t gid) { return setresgid(gid, gid, gid); }

int cpostern_close_range(unsigned first, unsigned last, int cloexec) {
    return close_range(first, last, cloexec ? CLOSE_RANGE_CLOEXEC : 0);
}

int cpostern_getrlimit(int resource, struct rlimit *limit) { return getrlimit(resource, limit); }
int cpostern_setrlimit(int resource, const struct rlimit *limit) { return setrlimit(resource, limit); }

int cpostern_stop_timers(void) {
    const struct itimerval none = {{0, 0}, {0, 0}};
    if (setitimer(ITIMER_REAL, &none, NULL) || setitimer(ITIMER_VIRTUAL, &none, NULL)) return -1;
    return setitimer(ITIMER_PROF, &none, NULL);
}

int cpostern_signal_is_ignored(int signal) {
    struct sigaction action;
    if (sigaction(signal, NULL, &action)) return -1;
    return action.sa_handler == SIG_IGN;
}

int cpostern_set_signal_ignored(int signal, int ignored) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = ignored ? SIG_IGN : SIG_DFL;
    return sigaction(signal, &action, NULL);
}

uint64_t cpostern_own_pidfd_inode(void) {
    struct statfs filesystem;
    struct stat status;
    uint64_t inode = 0;
    int fd = pidfd_open(getpid(), 0);
    if (fd < 0) return 0;
    if (!fstatfs(fd, &filesystem) && filesystem.f_type == PIDFS_MAGIC && !fstat(fd, &status)) inode = status.st_ino;
    close(fd);
    return inode;
}

int cpostern_pidfd_open(pid_t pid) { return pidfd_open(pid, 0); }
int cpostern_pidfd_kill(int pidfd, int signal) { return pidfd_send_signal(pidfd, signal, NULL, 0); }
int cpostern_exit_status(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }
long cpostern_syscall(long number, long a, long b, long c, long d, long e) { return syscall(number, a, b, c, d, e); }
char **cpostern_environment(void) { return environ; }

void cpostern_receive(int fd, void *bytes, size_t capacity, int room, int flags, struct cpostern_received *received) {
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(CPOSTERN_MAX_FDS * sizeof(int))];
        struct cmsghdr aligned;
    } control;
    struct iovec vector = {bytes, capacity};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    // What there is no room for is never installed here: the kernel drops it, and says MSG_CTRUNC.
    message.msg_controllen = CMSG_SPACE(sizeof(struct ucred)) + (room > 0 ? CMSG_SPACE(room * sizeof(int)) : 0);
    received->count = 0;
    received->has_sender = 0;
    received->is_malformed = 0;
    received->bytes = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
    if (received->bytes < 0) return;
    received->is_malformed = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS &&
            header->cmsg_len == CMSG_LEN(sizeof(struct ucred))) {
            received->has_sender = 1;
            memcpy(&received->sender, CMSG_DATA(header), sizeof(struct ucred));
            continue;
        }
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS || header->cmsg_len < CMSG_LEN(0)) {
            received->is_malformed = 1;
            continue;
        }
        size_t length = header->cmsg_len - CMSG_LEN(0);
        if (length % sizeof(int)) received->is_malformed = 1;
        for (size_t at = 0; at + sizeof(int) <= length && received->count < CPOSTERN_MAX_FDS; at += sizeof(int))
            memcpy(&received->fds[received->count++], CMSG_DATA(header) + at, sizeof(int));
    }
}

ssize_t cpostern_send(int fd, const void *bytes, size_t length, const int *fds, int count, int flags) {
    union {
        char bytes[CMSG_SPACE(CPOSTERN_MAX_FDS * sizeof(int))];
        struct cmsghdr aligned;
    } control;
    struct iovec vector = {(void *)bytes, length};
    struct msghdr message;
    if (count < 0 || count > CPOSTERN_MAX_FDS) {
        errno = EINVAL;
        return -1;
    }
    memset(&message, 0, sizeof message);
    memset(&control, 0, sizeof control);
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    }
    return sendmsg(fd, &message, flags | MSG_NOSIGNAL);
}

int cpostern_is_nosuid(const char *path) {
    struct statvfs filesystem;
    return !statvfs(path, &filesystem) && (filesystem.f_flag & ST_NOSUID);
}

char *cpostern_secure_getenv(const char *name) {
    return secure_getenv(name);
}
