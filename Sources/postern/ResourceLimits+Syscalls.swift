import Glibc

/// What the system lets this process have.
enum ResourceLimits {
    /// RLIMIT_NOFILE, which the C module has as an enumeration that getrlimit(2) does not take.
    private static let openFiles: __rlimit_resource_t = 7

    /// Raises the soft limit of open descriptors to the hard one: a session takes two.
    ///
    /// Fails silently where the system refuses: the limit of connections is then what is met first.
    static func raiseOpenFiles() {
        var limit = rlimit()
        guard unsafe getrlimit(self.openFiles, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(self.openFiles, &limit)
    }
}
