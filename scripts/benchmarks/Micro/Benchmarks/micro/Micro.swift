import Allocations
import Benchmark
import Cases

/// Every case, under ordo-one/benchmark: time, and the blocks taken from the heap.
let benchmarks: @Sendable () -> Void = {
    let allocations = BenchmarkMetric.custom("allocations", polarity: .prefersSmaller, useScalingFactor: true)
    for one in MicroCase.all {
        // A sample is a thousand passes.
        Benchmark(
            one.name,
            configuration: .init(
                metrics: [.wallClock, allocations], scalingFactor: .kilo, maxDuration: .milliseconds(300)),
            closure: { (benchmark: Benchmark, pass: @escaping () -> Int) in
                let before = allocations_count()
                benchmark.startMeasurement()
                for _ in benchmark.scaledIterations { blackHole(pass()) }
                benchmark.stopMeasurement()
                benchmark.measurement(allocations, Int(allocations_count() - before))
            },
            setup: {
                let pass = one.make()
                blackHole(pass())
                return pass
            })
    }
}
