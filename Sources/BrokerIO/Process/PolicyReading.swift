#if !hasFeature(Embedded)
package import BrokerCore
#endif

/// The policy's file.
package enum PolicyFile {
    /// The one that the binder knows, compiled in, so that no caller can bring another.
    package static var standard: TextBuffer<128> {
        var path = TextBuffer<128>()
        path.append("/etc/postern/sockets.conf")
        return path
    }
}

/// Reads the policy at an absolute path.
package func readPolicy(at path: TextBuffer<128>, into text: inout TextBuffer<65537>) throws(Failure) {
    do throws(FileError) {
        try readTrusted(path.storage.span.extracting(first: path.count), into: &text)
    } catch {
        throw Failure(.configuration) {
            $0.append(path.storage.span, TextRange(0, error.pathLength))
            $0.append(": ")
            error.append(to: &$0)
        }
    }
}

/// Reads the policy's next entry; nil at the end. `path` is for the message.
@inline(never)
package func nextEntry(
    _ parser: inout PolicyParser, _ policy: Span<UInt8>, _ path: TextBuffer<128>
) throws(Failure) -> PolicyEntry? {
    do throws(PolicyError) {
        return try parser.next(in: policy)
    } catch {
        throw Failure(.configuration) {
            $0.append(path)
            $0.append(":")
            error.append(to: &$0, in: policy)
        }
    }
}

/// Looks a user's or a group's name up.
package func accountNumber(of subject: Subject, in text: Span<UInt8>) throws(Failure) -> UInt32? {
    do throws(FileError) { return try Accounts.number(of: subject, in: text) } catch { throw accountsFailure(error) }
}

/// Decides whether a line of the policy gives `identity` the right, with the names looked up.
package func isPermitted(
    _ right: Right, _ entry: PolicyEntry, _ identity: Identity, _ policy: Span<UInt8>
) throws(Failure) -> Bool {
    do throws(FileError) {
        return try entry.permits(right, to: identity, in: policy) { subject throws(FileError) in
            try Accounts.number(of: subject, in: policy)
        }
    } catch {
        throw accountsFailure(error)
    }
}

/// Looks up whom `--user` names; neither root nor somebody of root's group.
package func userIdentity(_ name: TextBuffer<64>) throws(Failure) -> Identity {
    let found = try accountIdentity(name)
    guard let found, !name.isTruncated else {
        throw Failure(.usage) {
            $0.append("--user ")
            $0.append(quoted: name.storage.span, TextRange(0, name.count))
            $0.append(": not in /etc/passwd")
        }
    }
    guard found.uid != 0, found.gid != 0 else { throw Failure(.permission, "--user: root is nobody to drop to") }
    return found
}

/// Looks up a user; nil if /etc/passwd has none of that name.
package func accountIdentity(_ name: TextBuffer<64>) throws(Failure) -> Identity? {
    do throws(FileError) {
        return try Accounts.identity(ofUser: name.storage.span.extracting(first: name.count))
    } catch {
        throw accountsFailure(error)
    }
}

/// Who started this process: the real uid and gid, and the supplementary groups.
package func callerIdentity() throws(Failure) -> Identity {
    do throws(SystemError) { return try Accounts.callerIdentity() } catch { throw Failure(error) }
}

private func accountsFailure(_ error: FileError) -> Failure {
    Failure(.configuration) {
        $0.append("/etc/passwd or /etc/group: ")
        error.append(to: &$0)
    }
}
