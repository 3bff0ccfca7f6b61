import AuthHTTP
import Foundation
import NIOCore
import Relay
import Routing
import Testing

@Suite struct ConfigurationFileTests {
    private static let examples = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docs/examples")

    private func message(_ path: String) -> String? {
        let error = #expect(throws: ConfigurationError.self) { try RelayConfiguration.load(path: path) }
        return error?.description
    }

    private func withFile(_ octets: Data, _ body: (String) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "postern-\(UUID().uuidString).yaml")
        try octets.write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        try body(path.path)
    }

    @Test("The examples in the documentation are right", arguments: ["relay.yaml", "relay-minimal.yaml"])
    func examples(_ name: String) throws {
        #expect(try Self.example(name).warnings.isEmpty)
    }

    /// The files of certificates that it names are nowhere.
    private static func example(_ name: String) throws -> LoadedConfiguration {
        try RelayConfiguration.decode(Array(Data(contentsOf: Self.examples.appending(path: name))), file: name)
    }

    @Test("The whole example shows the defaults that its comments promise")
    func exampleDefaults() throws {
        let configuration = try Self.example("relay.yaml").configuration
        #expect(configuration.limits == RelayConfiguration.Limits())
        #expect(configuration.timeouts == RelayConfiguration.Timeouts())
        #expect(configuration.lookup?.timeout == .seconds(5))
        #expect(configuration.lookupPolicy == DeliveryPolicy())
        #expect(configuration.groups.first?.policy == DeliveryPolicy())
        #expect(configuration.listeners.first == RelayConfiguration.Listener(.socket(name: "smtp")))
    }

    @Test("A file that cannot be read is an error that says why")
    func unreadable() throws {
        #expect(
            self.message("/nonexistent/relay.yaml")
                == "/nonexistent/relay.yaml: cannot read the configuration: there is no such file")
        #expect(self.message("/") == "/: cannot read the configuration: it is a directory")
        #expect(self.message("/dev/null") == "/dev/null: cannot read the configuration: it is not a regular file")
    }

    @Test("A file is read to 1 MiB")
    func long() throws {
        try self.withFile(Data(repeating: 0x23, count: 1024 * 1024 + 1)) { path in
            #expect(self.message(path) == "\(path): cannot read the configuration: it is longer than 1 MiB")
        }
        try self.withFile(Data(repeating: 0x23, count: 1024 * 1024)) { path in
            #expect(self.message(path) == "\(path):1:1: the file is empty")
        }
    }
}
