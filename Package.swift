// swift-tools-version: 6.2
import PackageDescription

// Every target of ours: unsafe code is marked, and a warning is an error.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

// The three small programs: no heap, no runtime, no package; only libc (and libcap, for the binder).
let embedded: [SwiftSetting] =
    strict + [
        .enableExperimentalFeature("Embedded"),
        // (Sections of their own let the linker drop what a program does not use of BrokerCore and BrokerIO.)
        .unsafeFlags(["-no-allocations", "-Osize", "-Xfrontend", "-function-sections"]),
    ]

let hardened: [LinkerSetting] = [
    .unsafeFlags([
        "-Xlinker", "-z", "-Xlinker", "now", "-Xlinker", "-z", "-Xlinker", "relro", "-Xlinker", "--gc-sections",
    ])
]

// What stands on SwiftNIO is behind the trait `Relay`; who wants the binder or PosternClient alone fetches nothing.
func relayOnly(_ name: String, _ package: String) -> Target.Dependency {
    .product(name: name, package: package, condition: .when(traits: ["Relay"]))
}

let nio: [Target.Dependency] = [
    relayOnly("NIOCore", "swift-nio"),
    relayOnly("NIOPosix", "swift-nio"),
]
let tls = relayOnly("NIOSSL", "swift-nio-ssl")
let tlsEvents = relayOnly("NIOTLS", "swift-nio")
let logging = relayOnly("Logging", "swift-log")

let package = Package(
    name: "postern",
    products: [
        .executable(name: "postern", targets: ["postern"]),
        .executable(name: "postern-binder", targets: ["postern-binder"]),
        .executable(name: "postern-broker", targets: ["postern-broker"]),
        .executable(name: "postern-exec", targets: ["postern-exec"]),
        .library(name: "PosternClient", targets: ["PosternClient"]),
        .library(name: "PosternNIO", targets: ["PosternNIO"]),
        .library(name: "SMTPCore", targets: ["SMTPCore"]),
    ],
    traits: [
        .trait(name: "Relay", description: "The SMTP relay and all that stands on SwiftNIO."),
        .default(enabledTraits: ["Relay"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
    ],
    targets: [
        // Privileged and broker side: no package, no NIO, no Foundation.
        .target(name: "CPosternSys"),
        .systemLibrary(name: "CCap", pkgConfig: "libcap", providers: [.apt(["libcap-dev"])]),
        .target(name: "BrokerCore", swiftSettings: strict),
        .target(name: "BrokerIO", dependencies: ["BrokerCore", "CPosternSys"], swiftSettings: strict),
        .executableTarget(
            name: "postern-binder", dependencies: ["CPosternSys", "CCap"], swiftSettings: embedded,
            linkerSettings: hardened),
        .executableTarget(
            name: "postern-broker", dependencies: ["CPosternSys"], swiftSettings: embedded, linkerSettings: hardened),
        .executableTarget(
            name: "postern-exec", dependencies: ["CPosternSys"], swiftSettings: embedded, linkerSettings: hardened),
        .target(
            name: "PosternClient", dependencies: ["BrokerCore", "BrokerIO", "CPosternSys"], swiftSettings: strict),

        // What `postern sockets` and `postern doctor` do.
        .target(
            name: "Inspection", dependencies: ["BrokerCore", "BrokerIO", "CPosternSys", "PosternClient"],
            swiftSettings: strict),

        // What `postern import` does.
        .target(name: "NginxImport", swiftSettings: strict),

        // Relay side.
        .target(name: "PosternNIO", dependencies: ["PosternClient"] + nio, swiftSettings: strict),
        .target(name: "SMTPCore", swiftSettings: strict),
        .target(name: "SMTPNIO", dependencies: ["SMTPCore"] + nio, swiftSettings: strict),
        .systemLibrary(name: "CAres", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
        .systemLibrary(name: "CCrypt", pkgConfig: "libcrypt", providers: [.apt(["libcrypt-dev"])]),
        .target(name: "Resolver", dependencies: ["CAres"] + nio, swiftSettings: strict),
        // (SMTPNIO beside it for the event loop's FlushQueue: what a turn has to say leaves together.)
        .target(
            name: "AuthHTTP",
            dependencies: ["SMTPCore", "SMTPNIO", "Resolver", relayOnly("NIOHTTP1", "swift-nio"), tls] + nio,
            swiftSettings: strict),
        .systemLibrary(name: "CIDN2", pkgConfig: "libidn2", providers: [.apt(["libidn2-dev"])]),
        .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        .target(name: "Routing", dependencies: ["SMTPCore", "CIDN2", "CPCRE2"], swiftSettings: strict),
        .target(name: "AdminProtocol", swiftSettings: strict),
        .target(name: "ProxyProtocol", dependencies: ["Routing"], swiftSettings: strict),
        .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .target(
            name: "Relay",
            dependencies: [
                "Routing", "ProxyProtocol", "SMTPCore", "SMTPNIO", "AuthHTTP", "Resolver", "PosternClient",
                "PosternNIO", "AdminProtocol", "CYaml", "CCrypt", logging, tls, tlsEvents,
                relayOnly("ServiceLifecycle", "swift-service-lifecycle"),
                relayOnly("Crypto", "swift-crypto"),
            ] + nio,
            swiftSettings: strict),
        .executableTarget(
            name: "postern",
            dependencies: [
                "Relay", "Routing", "AdminProtocol", "PosternClient", "PosternNIO", "Inspection", "NginxImport",
                logging,
                relayOnly("ArgumentParser", "swift-argument-parser"),
                relayOnly("ServiceLifecycle", "swift-service-lifecycle"),
                relayOnly("UnixSignals", "swift-service-lifecycle"),
            ] + nio,
            swiftSettings: strict),

        .executableTarget(
            name: "postern-admin",
            dependencies: [
                "AdminProtocol", relayOnly("Hummingbird", "hummingbird"),
                relayOnly("ArgumentParser", "swift-argument-parser"), logging,
            ] + nio,
            swiftSettings: strict),

        .testTarget(name: "BrokerCoreTests", dependencies: ["BrokerCore"], swiftSettings: strict),
        .testTarget(
            name: "BrokerIOTests", dependencies: ["BrokerIO", "BrokerCore", "CPosternSys"], swiftSettings: strict),
        .testTarget(
            name: "PosternClientTests", dependencies: ["PosternClient", "BrokerCore"], swiftSettings: strict),
        .testTarget(
            name: "InspectionTests", dependencies: ["Inspection", "BrokerCore", "BrokerIO"], swiftSettings: strict),
        .testTarget(
            name: "PosternNIOTests", dependencies: ["PosternNIO", "PosternClient", "CPosternSys"] + nio,
            swiftSettings: strict),
        .testTarget(name: "SMTPCoreTests", dependencies: ["SMTPCore"], swiftSettings: strict),
        .testTarget(
            name: "SMTPNIOTests",
            dependencies: ["SMTPNIO", "SMTPCore", relayOnly("NIOEmbedded", "swift-nio")] + nio,
            exclude: ["Transcripts"],
            swiftSettings: strict),
        .testTarget(name: "ResolverTests", dependencies: ["Resolver"] + nio, swiftSettings: strict),
        .testTarget(
            name: "AuthHTTPTests",
            dependencies: [
                "AuthHTTP", "Resolver", "SMTPCore", relayOnly("NIOEmbedded", "swift-nio"),
                relayOnly("NIOHTTP1", "swift-nio"), tls,
            ] + nio,
            swiftSettings: strict),
        .testTarget(name: "AdminProtocolTests", dependencies: ["AdminProtocol"], swiftSettings: strict),
        .testTarget(name: "NginxImportTests", dependencies: ["NginxImport"], swiftSettings: strict),
        .testTarget(name: "RoutingTests", dependencies: ["Routing", "SMTPCore"], swiftSettings: strict),
        .testTarget(name: "ProxyProtocolTests", dependencies: ["ProxyProtocol", "Routing"], swiftSettings: strict),
        .testTarget(
            name: "RelayTests",
            dependencies: [
                "Relay", "Routing", "ProxyProtocol", "SMTPCore", "SMTPNIO", "AuthHTTP", "Resolver", "AdminProtocol",
                "NginxImport", logging,
                relayOnly("NIOEmbedded", "swift-nio"),
            ] + nio,
            swiftSettings: strict),
        .testTarget(name: "PosternTests", dependencies: ["postern"], swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests", path: "Tests/Integration",
            exclude: ["Attacks", "Broker", "Compare", "Mail", "Nginx", "Systemd"],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
