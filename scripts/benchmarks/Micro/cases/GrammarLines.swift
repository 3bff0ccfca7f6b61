// What is read and written in the cases of parser and replies.

/// What clients send: a session of Postfix's, of Exim's, and one with every parameter; then what is refused.
let commandKinds: [(name: String, lines: [[UInt8]])] = [
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
let replyKinds: [(name: String, text: [UInt8])] = [
    ("short", Array("250 2.1.0 Ok\n".utf8)),
    ("queued", Array("250 2.0.0 Ok: queued as 4bZKq93Tz5z9sWf on mx1.example.org\n".utf8)),
    (
        "ehlo",
        Array(
            "250-mx.example.org\n250-PIPELINING\n250-SIZE 52428800\n250-8BITMIME\n250-ENHANCEDSTATUSCODES\n250 CHUNKING\n"
                .utf8)
    ),
]
