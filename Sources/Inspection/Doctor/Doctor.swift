internal import BrokerCore
internal import BrokerIO

/// Looks at the machine, and says why a port is not to be had.
package enum Doctor {
    /// What is to be looked at.
    package struct Question: Sendable {
        /// The names asked about; none for all that the user may have.
        package var names: [String]
        /// Whom to ask about; nil for the process's real uid, gid and groups.
        package var user: String?
        /// The binder's path.
        package var binder: String
        /// The broker's socket.
        package var broker: String

        /// Makes a question.
        package init(names: [String], user: String?, binder: String, broker: String) {
            self.names = names
            self.user = user
            self.binder = binder
            self.broker = broker
        }
    }

    /// Why there is no report at all.
    package struct Refusal: Error {
        /// What is wrong with the question, in words.
        package var text: String
    }

    /// Examines everything; nothing is changed, and what cannot be read is a finding.
    package static func examine(_ question: Question) throws(Refusal) -> Report {
        let group = self.bindGroup()
        let patient = try self.patient(question.user, group: group)
        let policy = self.check(self.policy(), question.names, patient)
        let concerned = policy.concerned

        let binder = BinderFacts(
            path: question.binder, status: Files.status(question.binder),
            capability: Files.capability(question.binder), isNosuid: Files.isNosuid(question.binder), group: group,
            isListedInGroup: self.isListed(patient, in: group))
        let process = ProcessFacts(
            status: Files.read("/proc/self/status").map { ProcessStatus(reading: $0) },
            uidMap: Files.read("/proc/self/uid_map").map { IDMap(reading: $0) },
            unprivilegedPortStart: Files.number("/proc/sys/net/ipv4/ip_unprivileged_port_start"))
        let broker = self.broker(question.broker)
        let sockets = self.boundSockets()
        let conflicts = PortCheck.conflicts((try? sockets.get()) ?? [], with: concerned)
        let ports = PortFacts(
            sockets: sockets, holders: self.holders(of: Set(conflicts.map(\.inode))),
            somaxconn: Files.number("/proc/sys/net/core/somaxconn"))
        return Report(
            policy.findings
                + BinderCheck.findings(binder, patient: patient, isNeeded: policy.needsBinder)
                + ProcessCheck.findings(process, isNeeded: policy.needsBinder)
                + PortCheck.findings(
                    ports, of: concerned, patient: patient,
                    broker: .init(
                        held: BrokerCheck.held(broker), unlisted: BrokerCheck.unlisted(broker, of: concerned),
                        uid: broker.brokerUID))
                + BrokerCheck.findings(broker, of: concerned, isNeeded: policy.needsBroker)
                + KernelCheck.findings(KernelFeatures.probe()))
    }
}

/// Facts, gathered.
extension Doctor {
    private static func check(_ source: PolicyCheck.Source, _ names: [String], _ patient: Patient) -> PolicyCheck {
        var text: [UInt8] = []
        if case .text(let bytes) = source { text = bytes }
        return PolicyCheck(source, names: names, patient: patient) { subject throws(PolicyCheck.LookupFailure) in
            do throws(FileError) {
                return try Accounts.number(of: subject, in: text.span)
            } catch {
                throw PolicyCheck.LookupFailure(String(writing: { error.append(to: &$0) }))
            }
        }
    }

    private static func number(_ word: String, isGroup: Bool) -> Result<UInt32?, Unreadable> {
        let bytes = Array(word.utf8)
        let range = TextRange(0, bytes.count)
        do throws(FileError) {
            return .success(try Accounts.number(of: isGroup ? .group(range) : .user(range), in: bytes.span))
        } catch {
            return .failure(Unreadable(errno: error.errno))
        }
    }

    private static func bindGroup() -> Result<UInt32?, Unreadable> { self.number("postern-bind", isGroup: true) }

    private static func patient(_ user: String?, group: Result<UInt32?, Unreadable>) throws(Refusal) -> Patient {
        func isMember(_ identity: Identity) -> Bool {
            if case .success(.some(let gid)) = group { identity.isMember(of: gid) } else { false }
        }
        guard let user else {
            do throws(SystemError) {
                let identity = try Accounts.callerIdentity()
                let name = Files.userName(identity.uid)
                return Patient(identity, name: name, isInBindGroup: isMember(identity))
            } catch {
                throw Refusal(text: "\(error.operation): \(Unreadable(errno: error.errno).text)")
            }
        }
        let bytes = Array(user.utf8)
        guard let identity = (try? Accounts.identity(ofUser: bytes.span)) ?? nil else {
            throw Refusal(text: "--user \(user): not in /etc/passwd")
        }
        return Patient(identity, name: user, isInBindGroup: isMember(identity))
    }

    private static func isListed(_ patient: Patient, in group: Result<UInt32?, Unreadable>) -> Bool {
        guard let name = patient.name, case .success(.some(let gid)) = group else { return false }
        let bytes = Array(name.utf8)
        let identity = (try? Accounts.identity(ofUser: bytes.span)) ?? nil
        return identity?.isMember(of: gid) ?? false
    }
}
