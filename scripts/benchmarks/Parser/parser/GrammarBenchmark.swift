import Allocations
import SMTPCore

// How fast commands and replies are read and written, and how often the heap is asked for it.

/// Prints `commands CASE Mps=… ns=… allocations=…` and the same for replies: millions a second, nanoseconds for each one,
/// and blocks taken from the heap for each one.
func benchmarkGrammar(rounds: Int, repetitions: Int) {
    func measure(_ benchmark: String, _ name: String, _ lines: [[UInt8]], _ read: (Span<UInt8>) -> Int) {
        var found = 0
        func pass() {
            for _ in 0..<repetitions { for line in lines { found &+= read(line.span) } }
        }
        let seconds = medianSeconds(rounds: rounds, pass)
        let before = allocations_count()
        pass()
        let allocations = allocations_count() - before
        guard found > 0 else { fatalError("\(name) found nothing") }
        let count = Double(repetitions * lines.count)
        report(
            benchmark, name,
            [
                ("Mps", count / seconds / 1e6), ("ns", seconds / count * 1e9),
                ("allocations", Double(allocations) / count),
            ])
    }

    // The heap does count: or zero would say nothing.
    let before = allocations_count()
    let block = [UInt8](repeating: 1, count: 1000 + rounds)
    guard block.count > 1000, allocations_count() > before else { fatalError("allocations are not counted") }

    for (name, lines) in commandKinds {
        measure("commands", "parse-\(name)", lines) { line in
            do throws(CommandSyntaxError) {
                if case .mail = try CommandParser.parse(line) { return 2 }
                return 1
            } catch {
                return Int(error.rawValue) + 1
            }
        }
    }
    for (name, lines) in commandKinds where name != "bad" {
        measure("commands", "own-\(name)", lines) { line in
            switch try? CommandParser.command(line) {
            case .mail(let mail)?: mail.size == nil ? 1 : 2
            case .rcpt(let recipient)?: recipient.isASCII ? 1 : 2
            case nil: fatalError("a good command is refused")
            default: 1
            }
        }
    }
    let commands = commandKinds[0].1.compactMap { clientCommand($0) }
    var next = 0
    measure("commands", "encode", [[0]]) { _ in
        next = next + 1 < commands.count ? next + 1 : 0
        return commands[next].line.utf8.count
    }
    for (name, replies) in replyKinds {
        var parser = ReplyParser()
        measure("replies", "read-\(name)", [replies]) { text in
            var found = 0
            var start = 0
            for index in 0..<text.count where text[index] == 10 {
                if let reply = try? parser.receive(text.extracting(start..<index)) { found += Int(reply.replyCode) }
                start = index + 1
            }
            return found
        }
        var found: [SMTPReply] = []
        for line in replies.split(separator: 10) {
            let octets = Array(line)
            if let reply = try? parser.receive(octets.span) { found.append(reply) }
        }
        measure("replies", "write-\(name)", [[0]]) { _ in
            var octets = 0
            for reply in found { reply.encode { octets += $0.count } }
            return octets
        }
    }
}

private func clientCommand(_ line: [UInt8]) -> ClientCommand? {
    switch try? CommandParser.command(line.span) {
    case .mail(let mail)?: .mail(mail)
    case .rcpt(let recipient)?: .rcpt(recipient)
    default: nil
    }
}

private func octets(_ lines: [String]) -> [[UInt8]] { lines.map { Array($0.utf8) } }

/// What clients send: a session of Postfix's, of Exim's, and one with every parameter; then what is refused.
private let commandKinds: [(String, [[UInt8]])] = [
    (
        "mixed",
        octets([
            "EHLO mail-out-07.example.net", "MAIL FROM:<bounces+1234567@news.example.net> SIZE=48213 BODY=8BITMIME",
            "RCPT TO:<felix.mustermann@example.org> ORCPT=rfc822;felix.mustermann@example.org", "DATA",
            "MAIL FROM:<> SIZE=3121", "RCPT TO:<postmaster@example.org> NOTIFY=NEVER", "BDAT 48213 LAST", "RSET",
            "NOOP",
            "RCPT TO:<info@example.org>", "STARTTLS", "QUIT",
        ])
    ),
    (
        "short",
        octets(["DATA", "RSET", "NOOP", "QUIT", "BDAT 1000 LAST", "STARTTLS", "MAIL FROM:<>", "RCPT TO:<postmaster>"])
    ),
    (
        "parameters",
        octets([
            "MAIL FROM:<a@example.org> SIZE=1 BODY=BINARYMIME SMTPUTF8 RET=HDRS ENVID=QQ314159 AUTH=e+3Dmc2@example.com",
            "RCPT TO:<b@example.org> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;b+2Bc@example.org",
        ])
    ),
    (
        "utf8",
        octets([
            "MAIL FROM:<j\u{f8}rgen@bl\u{e5}b\u{e6}r.example> SMTPUTF8",
            "RCPT TO:<\u{7528}\u{6237}@\u{4f8b}\u{5b50}.example>",
        ])
    ),
    (
        "bad",
        octets([
            "FOO", "MAIL FROM:<a b@c>", "RCPT TO:<a@[1.2.3]>", "MAIL FROM:<> SIZE=x", "GET / HTTP/1.1", "BDAT x",
            "NOOP \u{0}",
            "RCPT TO:<a@b> FOO=1", "EHLO a b", "Subject: hello", "MAIL FROM:<> SIZE=1 SIZE=1", "",
        ]) + [[0x52, 0x43, 0x50, 0x54, 0x20, 0x54, 0x4F, 0x3A, 0x3C, 0xE9]]
    ),
]

/// What servers answer: lines with an LF at the end of each.
private let replyKinds: [(String, [UInt8])] = [
    ("short", Array("250 2.1.0 Ok\n".utf8)),
    ("queued", Array("250 2.0.0 Ok: queued as 4bZKq93Tz5z9sWf on mx1.example.org\n".utf8)),
    (
        "ehlo",
        Array(
            "250-mx.example.org\n250-PIPELINING\n250-SIZE 52428800\n250-8BITMIME\n250-ENHANCEDSTATUSCODES\n250 CHUNKING\n"
                .utf8)
    ),
]
