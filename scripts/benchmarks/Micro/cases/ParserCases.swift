internal import SMTPCore

// Commands: into ranges of the line (parse), into values (own), and written (encode).

let parserCases: [MicroCase] =
    commandKinds.map { name, lines in
        MicroCase("parser/parse-\(name)", operations: lines.count) {
            {
                var found = 0
                for line in lines {
                    do throws(CommandSyntaxError) {
                        if case .mail = try CommandParser.parse(line.span) { found += 2 } else { found += 1 }
                    } catch {
                        found += Int(error.rawValue) + 1
                    }
                }
                return found
            }
        }
    }
    + commandKinds.filter { $0.name != "bad" }.map { name, lines in
        MicroCase("parser/own-\(name)", operations: lines.count) {
            {
                var found = 0
                for line in lines {
                    switch try? CommandParser.command(line.span) {
                    case .mail(let mail)?: found += mail.size == nil ? 1 : 2
                    case .rcpt(let recipient)?: found += recipient.isASCII ? 1 : 2
                    case nil: fatalError("a good command is refused")
                    default: found += 1
                    }
                }
                return found
            }
        }
    } + [
        MicroCase("parser/encode", operations: clientCommands.count) {
            {
                var count = 0
                for command in clientCommands { command.encode { count += $0.count } }
                return count
            }
        }
    ]

private let clientCommands: [ClientCommand] = commandKinds[0].lines.compactMap { line in
    switch try? CommandParser.command(line.span) {
    case .mail(let mail)?: .mail(mail)
    case .rcpt(let recipient)?: .rcpt(recipient)
    default: nil
    }
}
