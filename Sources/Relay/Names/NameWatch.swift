import Logging
import NIOCore
import Resolver
import Routing

/// Asks about the names of backends, again and again by their TTLs, for all event loops. Confined to one of them.
final class NameWatch {
    /// The names of a configuration, and how to ask about them.
    struct Settings: Equatable {
        var names: Set<BackendAddress> = []
        /// Whom to ask; nil: whom /etc/resolv.conf names.
        var resolver: ResolverConfiguration?
        var bounds = NameBounds()
    }

    private final class Entry {
        var history: NameHistory
        var asking: NameAsking?
        var timer: Scheduled<Void>?
        /// What was told of it last; nil where all was well.
        var told: NameHistory.Trouble?
        var isKnown = false

        init(_ history: NameHistory) { self.history = history }

        func stop() {
            self.asking?.giveUp()
            self.asking = nil
            self.timer?.cancel()
        }
    }

    private let eventLoop: any EventLoop
    private let logger: Logger
    private let publish: (BackendAddress, [ResolvedPlace]) -> Void
    private var files: NameFiles
    private var settings = Settings()
    private var resolver: NameResolver?
    private var entries: [BackendAddress: Entry] = [:]
    /// Who waits until every name that it asked for was asked about once.
    private var waiting: [EventLoopPromise<Void>] = []

    /// - Parameter publish: told the places of a name when they change, and when the name is asked about for the first time.
    init(
        eventLoop: any EventLoop, logger: Logger, files: NameFiles = NameFiles(),
        publish: @escaping (BackendAddress, [ResolvedPlace]) -> Void
    ) {
        self.eventLoop = eventLoop
        self.logger = logger
        self.files = files
        self.publish = publish
    }

    /// Follows these names from now on, and no others. The future ends when each has been asked about once, however that
    /// went.
    func follow(_ settings: Settings) -> EventLoopFuture<Void> {
        let isOther = self.settings.resolver != settings.resolver || self.settings.bounds != settings.bounds
        self.settings = settings
        if isOther { self.resolver = nil }
        for (backend, entry) in self.entries where !settings.names.contains(backend) || isOther {
            entry.stop()
            if !settings.names.contains(backend) { self.entries[backend] = nil }
        }
        for backend in settings.names {
            if let entry = self.entries[backend] {
                guard isOther else { continue }
                entry.history.bounds = settings.bounds
                self.ask(backend, entry)
            } else {
                let entry = Entry(NameHistory(backend, settings.bounds))
                self.entries[backend] = entry
                self.ask(backend, entry)
            }
        }
        let promise = self.eventLoop.makePromise(of: Void.self)
        self.waiting.append(promise)
        self.release()
        return promise.futureResult
    }

    /// Publishes what every name has, once more.
    func publishAll() {
        for (backend, entry) in self.entries where entry.isKnown { self.publish(backend, entry.history.places) }
    }

    /// The names that are followed now.
    var names: Set<BackendAddress> { self.settings.names }

    /// Asks no more.
    func stop() {
        for entry in self.entries.values { entry.stop() }
        self.entries = [:]
        self.resolver?.shutDown()
        self.resolver = nil
        self.release()
    }

    private func ask(_ backend: BackendAddress, _ entry: Entry) {
        let asking = NameAsking(self.sources(), on: self.eventLoop)
        entry.asking = asking
        asking.ask(backend) { round in
            entry.asking = nil
            let now = self.eventLoop.now
            self.tell(entry.history.take(round, now: now), entry)
            entry.timer = self.eventLoop.assumeIsolated().scheduleTask(deadline: entry.history.next) {
                self.ask(backend, entry)
            }
            self.release()
        }
    }

    private func sources() -> NameAsking.Sources {
        let search = self.settings.resolver == nil ? self.files.resolverFile() : nil
        var configuration =
            self.settings.resolver ?? ResolverConfiguration(servers: search?.servers ?? [])
        configuration.maximumTTL = self.settings.bounds.longest
        configuration.maximumNegativeTTL = self.settings.bounds.longest
        let resolver: NameResolver
        if let current = self.resolver, current.configuration == configuration {
            resolver = current
        } else {
            // Who still asks the old one keeps it.
            resolver = NameResolver(eventLoop: self.eventLoop, configuration: configuration)
            self.resolver = resolver
        }
        return .init(resolver: resolver, hosts: self.files.hostsFile(), search: search)
    }

    private func tell(_ change: NameHistory.Change, _ entry: Entry) {
        let backend = entry.history.backend
        let isFirst = !entry.isKnown
        entry.isKnown = true
        switch change {
        case .none, .places:
            if change == .places || entry.told != nil {
                let places = entry.history.places.map(\.backend.description).joined(separator: ",")
                self.logger.notice("backend-resolved backend=\(backend) addresses=\(places)")
            }
            entry.told = nil
        case .kept(let trouble):
            if entry.told != trouble {
                let kept = entry.history.places.isEmpty ? "no mail goes there" : "its last addresses stay"
                self.logger.warning("backend-unresolved backend=\(backend) error=\"\(trouble.rawValue): \(kept)\"")
            }
            entry.told = trouble
        case .dropped(let trouble):
            self.logger.error("backend-unresolved backend=\(backend) error=\"\(trouble.rawValue): no mail goes there\"")
            entry.told = trouble
        }
        switch change {
        case .places, .dropped: self.publish(backend, entry.history.places)
        case .none, .kept: if isFirst { self.publish(backend, entry.history.places) }
        }
    }

    private func release() {
        guard self.entries.values.allSatisfy(\.isKnown) else { return }
        let waiting = self.waiting
        self.waiting = []
        for promise in waiting { promise.succeed() }
    }
}
