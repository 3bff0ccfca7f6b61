internal import BrokerCore
internal import BrokerIO

/// A program's listeners, by name, and its lease on them, if the broker gave one. Owns them: what nobody takes is closed
/// with it, and the lease given back.
///
/// ```swift
/// var listeners = try Listeners.obtain(["smtp", "submission"])
/// while let listener = try listeners.take("smtp") { … }
/// let lease = listeners.takeLease()       // To be kept for as long as the listeners are used.
/// ```
public struct Listeners: ~Copyable, Sendable {
    private var descriptors: [OwnedNumber] = []
    private var lease: Lease?

    private struct OwnedNumber: Sendable {
        var name: String
        var source: Listener.Source
        var number: Int32
    }

    /// No listeners: for a program that has asked for none.
    public init() {}

    deinit {
        for entry in self.descriptors { _ = Descriptor(owning: entry.number) }
    }

    /// How many listeners are left.
    public var count: Int { self.descriptors.count }

    /// The names of the listeners that are left, in order; a name that has several sockets stands there as often.
    public var names: [String] { self.descriptors.map(\.name) }

    /// Takes the first listener that is left under `name`; nil if there is none.
    public mutating func take(_ name: String) throws(ListenerError) -> Listener? {
        guard let index = self.descriptors.firstIndex(where: { $0.name == name }) else { return nil }
        let entry = self.descriptors.remove(at: index)
        return try Listener(name: entry.name, source: entry.source, descriptor: Descriptor(owning: entry.number))
    }

    /// Takes the first listener that is left, whatever its name; nil at the end.
    public mutating func takeFirst() throws(ListenerError) -> Listener? {
        guard let name = self.descriptors.first?.name else { return nil }
        return try self.take(name)
    }

    /// Takes the lease on the broker's listeners; nil if none came from the broker, or it has been taken.
    ///
    /// Who takes it keeps it: with its end the listeners count as given back, though they go on working.
    public mutating func takeLease() -> Lease? { self.lease.take() }
}

extension Listeners {
    /// Takes ownership of one more.
    mutating func append(_ descriptor: consuming Descriptor, name: String, source: Listener.Source) {
        self.descriptors.append(OwnedNumber(name: name, source: source, number: descriptor.release()))
    }

    /// Takes every listener of `other`, but not its lease.
    mutating func append(_ other: consuming Listeners) {
        self.descriptors += other.descriptors
        other.descriptors = []
    }

    /// Takes every listener of that name out, as it is.
    mutating func removeAll(named name: String) -> Listeners {
        var removed = Listeners()
        removed.descriptors = self.descriptors.filter { $0.name == name }
        self.descriptors.removeAll { $0.name == name }
        return removed
    }

    /// Takes the lease on the broker's listeners.
    mutating func keep(_ lease: consuming Lease) { self.lease = .some(lease) }

    /// Closes the listeners for which `isKept`, in their order, is false.
    mutating func keep(only isKept: [Bool]) {
        for (entry, isKept) in zip(self.descriptors, isKept) where !isKept { _ = Descriptor(owning: entry.number) }
        self.descriptors = zip(self.descriptors, isKept).filter(\.1).map(\.0)
    }

    /// The sockets of the listeners that are left.
    var sockets: [HeldSockets.Socket] {
        self.descriptors.map { HeldSockets.Socket(name: $0.name, cookie: cookieOf($0.number)) }
    }
}

extension Listeners {
    /// Asks for the listeners of every name, all or none: of each name first from the environment, then from the broker,
    /// then from a binder.
    ///
    /// 1. LISTEN_FDS, from systemd or whoever speaks like it. Taken once for the process, and removed from the
    ///    environment; what nobody has asked for yet waits for the next call.
    /// 2. The broker, for all names that are left together. Its refusal is an error, and ends the search: only where it
    ///    is not there, or has nothing under one of the names, the next is asked.
    /// 3. A binder, started as a child, for the same names.
    ///
    /// Blocks: call it before the event loops run. The first call changes the environment, which no other thread may
    /// read at that time: call it before the first thread starts. Needs that this process has not set no_new_privs, if
    /// it comes to the binder.
    ///
    /// - Parameters:
    ///   - names: names of /etc/postern/sockets.conf, each once, 32 at most.
    ///   - sources: whom to ask; the order stays.
    ///   - mode: whether others may hold the names too. Only the broker knows: another source's listeners are whose they
    ///     are.
    ///   - wait: how long the broker may wait until every name can be granted, 60 s at most.
    ///   - broker: the broker's socket; nil for that in the environment's POSTERN_BROKER, or /run/postern/broker.sock.
    ///   - binder: the binder's path; nil for that in the environment's POSTERN_BINDER, or /usr/bin/postern-binder.
    ///   - timeout: how long the broker may take, without `wait`; and the binder, before it is killed.
    /// - Returns: the listeners, in the order of `names`, with the lease on those of the broker: see ``takeLease()``.
    /// - Throws: ``ListenerError``; then no listener is open, nothing is leased, and what LISTEN_FDS gave can be asked
    ///   for again.
    public static func obtain(
        _ names: [String], from sources: Set<Listener.Source> = [.environment, .broker, .binder],
        mode: Lease.Mode = .shared, wait: Duration = .zero, broker: String? = nil, binder: String? = nil,
        timeout: Duration = .seconds(10)
    ) throws(ListenerError) -> Listeners {
        try checkNames(names)
        var missing = names
        if sources.contains(.environment) {
            try InheritedListeners.shared.takeFromEnvironment()
            missing = InheritedListeners.shared.missing(of: names)
        }
        var fresh = Listeners()
        if !missing.isEmpty {
            let broker = sources.contains(.broker) ? Broker(path: broker ?? Broker.defaultPath) : nil
            let binder =
                sources.contains(.binder) ? Binder(path: binder ?? Binder.defaultPath, timeout: timeout) : nil
            fresh = try self.obtain(missing, broker, mode, wait, timeout, else: binder)
        }
        // Only now, since nothing can fail any more: in the order that the names were given in.
        var result = Listeners()
        for name in names {
            if !missing.contains(name) { result.append(InheritedListeners.shared.take(name)) }
            result.append(fresh.removeAll(named: name))
        }
        result.lease = fresh.takeLease()
        return result
    }

    private static func obtain(
        _ names: [String], _ broker: Broker?, _ mode: Lease.Mode, _ wait: Duration, _ timeout: Duration,
        else binder: Binder?
    ) throws(ListenerError) -> Listeners {
        var refusal: ListenerError?
        if let broker {
            do throws(ListenerError) {
                return try broker.obtain(names, mode: mode, wait: wait, timeout: timeout)
            } catch {
                guard binder != nil, error.permitsBinder else { throw error }
                refusal = error
            }
        }
        guard let binder else {
            throw ListenerError(.missing, "get \(quoted(names)): not in LISTEN_FDS, and nobody else was to be asked")
        }
        do throws(ListenerError) {
            return try binder.obtain(names)
        } catch {
            throw error.after(refusal)
        }
    }

    static func checkNames(_ names: [String]) throws(ListenerError) {
        guard 1...32 ~= names.count else {
            throw ListenerError(.badName, "ask for listeners: \(names.count) names, not 1 to 32")
        }
        for (index, name) in names.enumerated() {
            let bytes = Array(name.utf8)
            guard bytes.span.isName(TextRange(0, bytes.count)), bytes.first != UInt8(ascii: "-") else {
                throw ListenerError(.badName, "ask for listeners: \"\(name)\" is not a listener's name")
            }
            guard !names[..<index].contains(name) else {
                throw ListenerError(.badName, "ask for listeners: \"\(name)\" twice")
            }
        }
    }
}
