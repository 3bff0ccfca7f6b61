import Glibc

/// What the system lets this process have.
enum ResourceLimits {
    /// Raises the soft limit of open descriptors to the hard one: a session takes two.
    ///
    /// Fails silently where the system refuses: the limit of connections is then what is met first.
    static func raiseOpenFiles() {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
