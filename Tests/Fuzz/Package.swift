// swift-tools-version: 6.2
import PackageDescription

// A package of its own: every module of it is built with `--sanitize fuzzer`, whose library brings the main function.
// scripts/fuzz builds and runs it. The modules under test are the main package's, by symbolic link.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func fuzzTarget(_ name: String, _ core: Target.Dependency = "BrokerCore") -> Target {
    .executableTarget(
        name: name, dependencies: [core], path: name,
        swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])])
}

let package = Package(
    name: "postern",
    targets: [
        .target(name: "BrokerCore", path: "BrokerCore", swiftSettings: strict),
        fuzzTarget("fuzz-policy"),
        fuzzTarget("fuzz-pb1"),
        .target(name: "SMTPCore", path: "SMTPCore", swiftSettings: strict),
        fuzzTarget("fuzz-framing", "SMTPCore"),
        fuzzTarget("fuzz-differential", "SMTPCore"),
        fuzzTarget("fuzz-command", "SMTPCore"),
        fuzzTarget("fuzz-reply", "SMTPCore"),
        fuzzTarget("fuzz-address", "SMTPCore"),
        fuzzTarget("fuzz-xtext", "SMTPCore"),
        fuzzTarget("fuzz-sasl", "SMTPCore"),
        .target(name: "NginxImport", path: "NginxImport", swiftSettings: strict),
        fuzzTarget("fuzz-nginxconf", "NginxImport"),
        // (ProxyProtocol takes its addresses from Routing, which knows names by libidn2 and expressions by PCRE2.)
        .systemLibrary(name: "CIDN2", path: "CIDN2", pkgConfig: "libidn2", providers: [.apt(["libidn2-dev"])]),
        .systemLibrary(name: "CPCRE2", path: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        .target(
            name: "Routing", dependencies: ["SMTPCore", "CIDN2", "CPCRE2"], path: "Routing", swiftSettings: strict),
        .target(name: "ProxyProtocol", dependencies: ["Routing"], path: "ProxyProtocol", swiftSettings: strict),
        fuzzTarget("fuzz-proxy", "ProxyProtocol"),
    ],
    swiftLanguageModes: [.v6]
)
