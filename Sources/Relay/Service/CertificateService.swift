package import Logging
import NIOCore
import ServiceLifecycle

/// Loads certificates, keys and authorities anew when their files change: connections that begin from then on have the new
/// ones, and those that are there go on.
package struct CertificateService: Service {
    /// How often the files are looked at. A change counts once it has stood still for as long: who writes one file after the
    /// other is not caught in between, and who is all the same has the old ones stay.
    private static let interval = Duration.milliseconds(150)

    private let state: RelayState
    private let logger: Logger

    /// Makes the service.
    package init(state: RelayState, logger: Logger) {
        self.state = state
        self.logger = logger
    }

    /// Watches until shutdown begins.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var watch = Watch(self.state.snapshot)
            while true {
                // Without a file there is nothing to look at; a reload may bring some.
                let interval = watch.settled.isEmpty && watch.seen.isEmpty ? .seconds(1) : Self.interval
                do { try await Task.sleep(for: interval) } catch { return }
                self.look(&watch)
            }
        }
    }

    /// What was seen of the files, and when.
    private struct Watch {
        var snapshot: RelaySnapshot
        /// The files as they are loaded, or were when loading them failed.
        var settled: [String: FileStamp]
        /// The files at the last look.
        var seen: [String: FileStamp]
        /// The last error that was told.
        var told: TLSFileError?

        init(_ snapshot: RelaySnapshot) {
            self.snapshot = snapshot
            self.settled = snapshot.tlsStamps
            self.seen = snapshot.tlsStamps
        }
    }

    private func look(_ watch: inout Watch) {
        let snapshot = self.state.snapshot
        if snapshot !== watch.snapshot { watch = Watch(snapshot) }
        let stamps = snapshot.configuration.tlsStamps()
        defer { watch.seen = stamps }
        guard stamps != watch.settled, stamps == watch.seen else { return }
        watch.settled = stamps
        do {
            let contexts = try TLSContexts(snapshot.configuration)
            // A reload in between has read the files itself.
            guard self.state.replace(contexts, of: snapshot) else { return }
            watch.told = nil
            for warning in contexts.warnings { self.logger.warning("certificates \(warning)") }
            self.logger.notice("certificates-reloaded")
        } catch {
            if watch.told != error { self.logger.error("certificates-refused \(error); those from before stay") }
            watch.told = error
        }
    }
}

extension RelayConfiguration {
    /// What is to be seen of every file that certificates come from.
    func tlsStamps() -> [String: FileStamp] {
        var stamps: [String: FileStamp] = [:]
        for path in self.tlsFiles { stamps[path] = FileStamp(path: path) }
        return stamps
    }
}
