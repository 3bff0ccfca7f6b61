/// Prints, for each benchmark, lines of words: the benchmark, the case, then pairs of a name and a number.
@main
struct Main {
    static func main() {
        // `--quick`: to see that it works, not to quote.
        let isQuick = CommandLine.arguments.dropFirst().contains("--quick")
        benchmarkScan(rounds: isQuick ? 3 : 15, octets: isQuick ? 2 << 20 : 20 << 20)
    }
}
