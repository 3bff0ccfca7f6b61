// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nothing but scripts/bench-parser builds it. SMTPCore is the main package's, by symbolic
// link. A file a benchmark: each has a function that Main.swift calls, and prints a line a figure.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "parser-benchmarks",
    targets: [
        .target(name: "SMTPCore", path: "SMTPCore", swiftSettings: strict),
        .executableTarget(
            name: "parser", dependencies: ["SMTPCore"], path: "parser",
            swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])]),
    ],
    swiftLanguageModes: [.v6]
)
