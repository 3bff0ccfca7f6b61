internal import SMTPCore

// Replies: read from a backend's lines, and written to a client.

let replyCases: [MicroCase] = replyKinds.flatMap { name, text in
    [
        MicroCase("reply/read-\(name)", operations: 1) {
            let lines = text.split(separator: 10).map(Array.init)
            var parser = ReplyParser()
            return {
                var found = 0
                for line in lines {
                    if let reply = try? parser.receive(line.span) { found += Int(reply.replyCode) }
                }
                return found
            }
        },
        MicroCase("reply/write-\(name)", operations: 1) {
            var parser = ReplyParser()
            var replies: [SMTPReply] = []
            for line in text.split(separator: 10).map(Array.init) {
                if let reply = try? parser.receive(line.span) { replies.append(reply) }
            }
            return {
                var count = 0
                for reply in replies { reply.encode { count += $0.count } }
                return count
            }
        },
    ]
}
