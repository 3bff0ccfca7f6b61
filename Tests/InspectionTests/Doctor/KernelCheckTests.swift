import Inspection
import Testing

@Suite struct KernelCheckTests {
    private static let all = KernelFeatures(
        release: "6.18.0", hasFileCapabilities: true, hasSeccomp: true, landlock: 7, hasPidfdInode: true,
        hasPassRights: true, hasCloseRange: true, hasPeerPidfd: true, tcpMigrate: 1)
    private static let none = KernelFeatures(
        release: nil, hasFileCapabilities: nil, hasSeccomp: false, landlock: 0, hasPidfdInode: false,
        hasPassRights: false, hasCloseRange: true, hasPeerPidfd: false, tcpMigrate: nil)

    @Test("A kernel that has everything is ok, and its release is printed")
    func all() {
        let findings = KernelCheck.findings(Self.all)
        #expect(findings.allSatisfy { $0.verdict == .ok && $0.group == .kernel })
        #expect(findings.first?.finding == "6.18.0")
        #expect(findings.contains(.ok(.kernel, "Landlock", "ABI 7")))
    }

    @Test("What a kernel lacks is a note that says what is lost")
    func none() {
        let findings = KernelCheck.findings(Self.none)
        let lost = findings.filter { $0.finding.hasPrefix("missing, degrades: ") }.map(\.what)
        #expect(
            lost == ["seccomp", "Landlock", "SO_PASSRIGHTS", "SO_PEERPIDFD", "pidfd inode", "net.ipv4.tcp_migrate_req"])
        #expect(findings.contains(.unknown(.kernel, "file capabilities", "/proc does not say")))
        #expect(!findings.contains { $0.verdict == .problem })
    }

    @Test("Without close_range or file capabilities the binder cannot work")
    func binder() {
        var features = Self.all
        features.hasCloseRange = false
        #expect(KernelCheck.findings(features).compactMap(\.status) == [69])
        features = Self.all
        features.hasFileCapabilities = false
        #expect(KernelCheck.findings(features).compactMap(\.status) == [77])
        features = Self.all
        features.tcpMigrate = 0
        #expect(KernelCheck.findings(features).last?.verdict == .note)
    }
}
