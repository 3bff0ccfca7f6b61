internal import BrokerCore
internal import BrokerIO

/// A program's listeners, by name. Owns them: those that nobody takes are closed with it.
///
/// ```swift
/// var listeners = try Listeners.obtain(["smtp", "submission"])
/// while let listener = listeners.take("smtp") { … }
/// ```
public struct Listeners: ~Copyable, Sendable {
    private var descriptors: [OwnedNumber] = []

    private struct OwnedNumber: Sendable {
        var name: String
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
        return try Listener(name: entry.name, descriptor: Descriptor(owning: entry.number))
    }

    /// Takes the first listener that is left, whatever its name; nil at the end.
    public mutating func takeFirst() throws(ListenerError) -> Listener? {
        guard let name = self.descriptors.first?.name else { return nil }
        return try self.take(name)
    }

    /// Takes ownership of one more.
    mutating func append(_ descriptor: consuming Descriptor, name: String) {
        self.descriptors.append(OwnedNumber(name: name, number: descriptor.release()))
    }

    /// Takes every listener of `other`.
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
}

extension Listeners {
    /// Asks for the listeners of every name, all or none: of each name first from the environment, then from a binder.
    ///
    /// The order for each name:
    /// 1. LISTEN_FDS, from systemd or whoever speaks like it. Taken once for the process, and removed from the
    ///    environment; what nobody has asked for yet waits for the next call.
    /// 2. The broker. (Not in this version: its place is here.)
    /// 3. A binder, started as a child, for all names that are left together.
    ///
    /// Blocks, `timeout` at most: call it before the event loops run. The first call changes the environment, which no
    /// other thread may read at that time: call it before the first thread starts. Needs that this process has not set
    /// no_new_privs, if it comes to the binder.
    ///
    /// - Parameters:
    ///   - names: names of /etc/postern/sockets.conf, each once, 32 at most.
    ///   - binder: the binder's path; nil for that in the environment's POSTERN_BINDER, or /usr/bin/postern-binder.
    ///   - timeout: how long the binder may take before it is killed.
    /// - Throws: ``ListenerError``; then no listener is open, and what LISTEN_FDS gave can be asked for again.
    public static func obtain(
        _ names: [String], binder: String? = nil, timeout: Duration = .seconds(10)
    ) throws(ListenerError) -> Listeners {
        try checkNames(names)
        try InheritedListeners.shared.takeFromEnvironment()
        let missing = InheritedListeners.shared.missing(of: names)
        // 2. The broker: it comes here, and takes out of `missing` what it has.
        var fresh = Listeners()
        if !missing.isEmpty {
            fresh.append(try Binder(path: binder ?? Binder.defaultPath, timeout: timeout).obtain(missing))
        }
        // Only now, since nothing can fail any more: in the order that the names were given in.
        var result = Listeners()
        for name in names {
            result.append(InheritedListeners.shared.take(name))
            result.append(fresh.removeAll(named: name))
        }
        return result
    }

    private static func checkNames(_ names: [String]) throws(ListenerError) {
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
