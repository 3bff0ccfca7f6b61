// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that nothing but scripts/bench-micro builds it. SMTPCore and Routing are the main package's, by
// symbolic link. `cases` says what is measured; `micro` has it measured by ordo-one/benchmark, which knows time; `count` runs
// it without a framework around it, for the counts that thresholds.json is about: blocks from the heap, and instructions as
// valgrind counts them.
let strict: [SwiftSetting] = [
    .unsafeFlags(["-strict-memory-safety", "-warnings-as-errors"]),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

// (What only counts needs no framework, and does not have to build one.)
let isTimed = Context.environment["POSTERN_MICRO_COUNTS"] == nil

let package = Package(
    name: "postern-micro",
    dependencies: isTimed
        ? [
            // (Without its malloc interposer, which counts nothing here: `allocations` does.)
            .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: [])
        ] : [],
    targets: [
        .target(name: "SMTPCore", path: "SMTPCore", swiftSettings: strict),
        .systemLibrary(name: "CIDN2", path: "CIDN2", pkgConfig: "libidn2", providers: [.apt(["libidn2-dev"])]),
        .systemLibrary(name: "CPCRE2", path: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        .target(
            name: "Routing", dependencies: ["SMTPCore", "CIDN2", "CPCRE2"], path: "Routing", swiftSettings: strict),
        .target(name: "Allocations", path: "allocations"),
        .target(name: "Cases", dependencies: ["SMTPCore", "Routing"], path: "cases", swiftSettings: strict),
        .executableTarget(
            name: "count", dependencies: ["Cases", "Allocations"], path: "count",
            swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])]),
    ]
        + (isTimed
            ? [
                .executableTarget(
                    name: "micro",
                    dependencies: ["Cases", "Allocations", .product(name: "Benchmark", package: "benchmark")],
                    path: "Benchmarks/micro",
                    plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
            ] : []),
    swiftLanguageModes: [.v6]
)
