// What Swift cannot see of C: macros, variadic functions, errno, the layout of control messages. No policy.
//
// Every function returns what the system call returns, -1 with errno set on failure, unless it says otherwise.
// _GNU_SOURCE is not defined here: Swift's own Glibc module is built without, and both must see the same declarations.
#ifndef CPOSTERNSYS_H
#define CPOSTERNSYS_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

// The calling thread's errno; to be read in the statement behind the call that set it.
int cpostern_errno(void);
// What the error means, in English whatever the locale; static.
const char *cpostern_error_text(int error);

// open(2), openat(2), fcntl(2) and prctl(2), which are variadic.
int cpostern_openat(int folder, const char *path, int flags);
int cpostern_fcntl(int fd, int command, long argument);
int cpostern_prctl(int option, unsigned long a, unsigned long b);
// The process's name, 16 bytes with the NUL at most.
int cpostern_get_name(void *name);
// bind(2), connect(2) and getsockname(2), whose address has a union's type in glibc.
int cpostern_bind(int fd, const void *address, socklen_t length);
int cpostern_connect(int fd, const void *address, socklen_t length);
int cpostern_getsockname(int fd, void *address, socklen_t *length);
// O_PATH of open(2), and calls that only _GNU_SOURCE declares: pipe2(2) with O_CLOEXEC, and those of the three ids.
#define CPOSTERN_O_PATH 010000000
int cpostern_pipe(int *ends);
int cpostern_getresuid(uid_t *real, uid_t *effective, uid_t *saved);
int cpostern_getresgid(gid_t *real, gid_t *effective, gid_t *saved);
int cpostern_setresuid(uid_t uid);
int cpostern_setresgid(gid_t gid);
// close_range(2) from `first` to `last`, both included; only marked close-on-exec if `cloexec` is not 0.
int cpostern_close_range(unsigned first, unsigned last, int cloexec);
// getrlimit(2) and setrlimit(2), whose first parameter has an enum's type in glibc.
int cpostern_getrlimit(int resource, struct rlimit *limit);
int cpostern_setrlimit(int resource, const struct rlimit *limit);
// setitimer(2) to zero for each of the three timers.
int cpostern_stop_timers(void);

// 1 if the signal is ignored, 0 if not, -1 if it cannot be asked about.
int cpostern_signal_is_ignored(int signal);
// Ignores the signal, or gives it its default action.
int cpostern_set_signal_ignored(int signal, int ignored);

// The inode number of a pidfd for this process, which no other process ever has; 0 where the kernel is too old (6.9).
uint64_t cpostern_own_pidfd_inode(void);
// A pidfd for a child, close-on-exec.
int cpostern_pidfd_open(pid_t pid);
// Sends a signal to a pidfd's process.
int cpostern_pidfd_kill(int pidfd, int signal);
// The exit status of a wait status; 128 and the signal's number if a signal ended the process.
int cpostern_exit_status(int wait_status);
// syscall(2): what the C library has no function for, or one that Swift cannot see. SIOCOUTQ of unix(7).
long cpostern_syscall(long number, long a, long b, long c, long d, long e);
#define CPOSTERN_SIOCOUTQ 0x5411
// The process's environment.
char **cpostern_environment(void);

// The most descriptors that one message can carry (SCM_MAX_FD).
#define CPOSTERN_MAX_FDS 253
// What cpostern_receive found.
struct cpostern_received {
    ssize_t bytes;                 // length of the packet's part that fitted; -1 on failure
    int count;                     // descriptors that came, all of them in `fds`, all close-on-exec
    int is_malformed;              // MSG_TRUNC, MSG_CTRUNC, a wrong cmsg_len, or a control message of another kind
    int has_sender;                // SCM_CREDENTIALS came: the sending process, and its real uid and gid
    struct { pid_t pid; uid_t uid; gid_t gid; } sender;
    int fds[CPOSTERN_MAX_FDS];
};
// recvmsg(2) of one packet with at most `room` descriptors; the caller owns them, malformed or not.
void cpostern_receive(int fd, void *bytes, size_t capacity, int room, int flags, struct cpostern_received *received);
// sendmsg(2) of one packet with `count` descriptors, at most CPOSTERN_MAX_FDS.
ssize_t cpostern_send(int fd, const void *bytes, size_t length, const int *fds, int count, int flags);

// 1 if the path is on a file system that is mounted nosuid, 0 if not or not known.
int cpostern_is_nosuid(const char *path);

// secure_getenv(3): NULL in a set-id program, whose environment is its caller's.
char *cpostern_secure_getenv(const char *name);
#endif
