/// One thing that is measured.
public struct MicroCase: Sendable {
    /// `SUBJECT/CASE`, without spaces.
    public let name: String
    /// How many operations a pass does; figures are for one operation.
    public let operations: Int
    /// Makes what the operations work on, and returns the pass, which says how much it found: zero is a mistake.
    ///
    /// Each call of it makes everything anew; a pass may be run any number of times, and does the same each time.
    public let make: @Sendable () -> () -> Int

    init(_ name: String, operations: Int, make: @escaping @Sendable () -> () -> Int) {
        self.name = name
        self.operations = operations
        self.make = make
    }

    /// Every case, in the order in which they are shown.
    public static let all = parserCases + replyCases + scannerCases + routerCases + balancerCases + poolCases
}

func octets(_ lines: [String]) -> [[UInt8]] { lines.map { Array($0.utf8) } }
