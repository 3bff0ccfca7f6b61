import Allocations
import Cases

/// Counts what a case takes, for scripts/bench-micro.
///
///     count list                every case: its name, and the operations of a pass
///     count allocations         every case: its name, and the blocks that each operation took from the heap
///     count run CASE PASSES     the passes, behind some that warm up, in ``measuredPasses(_:_:)``: a tool that counts
///                               instructions counts those of that function and of what it calls. Prints the operations.
@main
struct Main {
    static func main() {
        let words = Array(CommandLine.arguments.dropFirst())
        switch (words.first, words.count) {
        case ("list", 1):
            for one in MicroCase.all { print(one.name, one.operations) }
        case ("allocations", 1):
            self.checkCounting()
            for one in MicroCase.all { print(one.name, self.allocations(one)) }
        case ("run", 3):
            guard let one = MicroCase.all.first(where: { $0.name == words[1] }), let passes = Int(words[2]), passes > 0 else {
                fatalError("no such case: \(words[1])")
            }
            let pass = one.make()
            for _ in 0..<3 { _ = pass() }
            guard measuredPasses(pass, passes) > 0 else { fatalError("\(one.name) found nothing") }
            print(passes * one.operations)
        default:
            fatalError("usage: count list | allocations | run CASE PASSES")
        }
    }

    private static func allocations(_ one: MicroCase) -> Double {
        let passes = 300
        let pass = one.make()
        for _ in 0..<3 { _ = pass() }
        let before = allocations_count()
        let found = measuredPasses(pass, passes)
        let count = allocations_count() - before
        guard found > 0 else { fatalError("\(one.name) found nothing") }
        return (Double(count) * 1000 / Double(passes * one.operations)).rounded() / 1000
    }

    /// The heap does count: or zero would say nothing.
    private static func checkCounting() {
        let before = allocations_count()
        let block = [UInt8](repeating: 1, count: 1000 + CommandLine.arguments.count)
        guard block.count > 1000, allocations_count() > before else { fatalError("allocations are not counted") }
    }
}

/// Runs a pass that often, and says how much was found.
@inline(never)
func measuredPasses(_ pass: () -> Int, _ count: Int) -> Int {
    var found = 0
    for _ in 0..<count { found &+= pass() }
    return found
}
