internal import BrokerCore
internal import BrokerIO
internal import Synchronization

/// What LISTEN_FDS gave this process: taken once, kept until it is asked for.
final class InheritedListeners: Sendable {
    static let shared = InheritedListeners()

    private struct State: ~Copyable {
        var isTaken = false
        var listeners = Listeners()
    }

    private let state = Mutex(State())

    /// Takes the descriptors that the environment announces, on the first call. (`first` is for tests.)
    func takeFromEnvironment(first: Int32 = 3) throws(ListenerError) {
        try self.state.withLock { state throws(ListenerError) in
            guard !state.isTaken else { return }
            state.isTaken = true
            var listeners = Listeners()
            do throws(ListenFDsError) {
                try ListenFDs.receive(first: first) { descriptor, name in
                    var text: [UInt8] = []
                    for index in 0..<name.count { text.append(name[index]) }
                    listeners.append(
                        descriptor, name: String(decoding: text, as: UTF8.self), source: .environment)
                }
            } catch {
                throw ListenerError(
                    .badEnvironment, "take the listeners of LISTEN_FDS: \(error.text); whoever started this set it so")
            }
            state.listeners.append(listeners)
        }
    }

    /// Which of the names are not here.
    func missing(of names: [String]) -> [String] {
        let present = self.state.withLock { Set($0.listeners.names) }
        return names.filter { !present.contains($0) }
    }

    /// Gives up every listener of that name.
    func take(_ name: String) -> Listeners {
        self.state.withLock { $0.listeners.removeAll(named: name) }
    }
}
