/// Rows of text in aligned columns, two spaces between them, under a header.
package struct Table: Sendable {
    /// A column's header, and where its cells stand.
    package enum Column: Sendable {
        /// Words.
        case left(String)
        /// Numbers.
        case right(String)

        fileprivate var header: String {
            switch self {
            case .left(let header), .right(let header): header
            }
        }
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    /// Makes a table without rows.
    package init(_ columns: [Column]) {
        self.columns = columns
    }

    /// Adds a row, with as many cells as there are columns.
    package mutating func append(_ cells: [String]) {
        precondition(cells.count == self.columns.count, "a cell for each column")
        self.rows.append(cells)
    }

    /// The table, a line a row, each with its line end and without spaces before it.
    package var text: String {
        let all = [self.columns.map(\.header)] + self.rows
        let widths = self.columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { cells in
            var line = ""
            for (index, cell) in cells.enumerated() {
                let space = String(repeating: " ", count: widths[index] - cell.count)
                switch self.columns[index] {
                case .left: line += cell + space
                case .right: line += space + cell
                }
                if index < cells.count - 1 { line += "  " }
            }
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}
