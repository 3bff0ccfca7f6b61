import Relay
import Routing
import SMTPCore
import SMTPNIO
import Testing

private let mail = MailCommand(.mailbox(Mailbox(localPart: "a", domain: "b.example")))
private let ok = SMTPReply(250, .init(2, 0, 0), "OK")
private let go = SMTPReply(354, nil, "go")
private let no = SMTPReply(550, .init(5, 1, 1), "no")
private let app = Destination.group(
    BackendGroup(name: "app", backends: (1...4).map { Backend(.ip(.v4(0x7F00_0001), port: 2525 + $0)) }))

/// A relay without any I/O: a client that sends one message, backends that fail where they are told to, and what each was
/// told.
private struct Model {
    /// What happens to a leg instead of its next answer.
    enum Trouble: CaseIterable {
        case closed, closing, refusedGreeting, timeout, mailRefused, recipientRefused, dataRefused, early

        var failure: RelayTransaction.Failure? {
            func session(_ code: ClientSessionError.Code, _ reply: SMTPReply) -> RelayTransaction.Failure {
                .session(.session(ClientSessionError(code: code, reply: reply)))
            }
            return switch self {
            case .closed: .session(.closed)
            case .closing: session(.serviceClosing, SMTPReply(421, .init(4, 3, 2), "bye"))
            case .refusedGreeting: session(.refusedSession, SMTPReply(554, .init(5, 3, 2), "no service"))
            case .timeout: .timeout
            case .early: session(.earlyReply, SMTPReply(552, .init(5, 3, 4), "too big"))
            case .mailRefused, .recipientRefused, .dataRefused: nil
            }
        }
    }

    /// What one backend's connection was told.
    struct Leg {
        var accepted: [RecipientCommand] = []
        var isOpen = false
        var pieces: [Int] = []
        var dots = 0
    }

    enum Waiting { case nothing, ready, recipients([RecipientCommand], isBeginning: Bool), data, answer }

    var transaction = RelayTransaction()
    var legs: [Leg] = []
    var waiting = Waiting.nothing
    /// Recipients that the client has sent already, to be taken.
    var pipelined: [RecipientCommand] = []
    /// The answers to RCPT, in order.
    var recipientReplies: [SMTPReply] = []
    var dataReply: SMTPReply?
    var messageReplies: [SMTPReply] = []
    /// The pieces of the message that the client has sent.
    var kept: [Int] = []
    var hasWindow = true
    var alternatives = 3
    /// Where the trouble comes: by the count of what legs were asked, or of what the client did.
    var troubles: [Int: Trouble] = [:]
    var step = 0

    var leg: Leg {
        get { self.legs[self.legs.count - 1] }
        set { self.legs[self.legs.count - 1] = newValue }
    }

    mutating func perform(_ action: RelayTransaction.Action) {
        switch action {
        case .none, .leaveLeg: break
        case .decide: self.perform(self.transaction.decided(.forward(app)))
        case .gather:
            if self.pipelined.isEmpty {
                self.perform(self.transaction.gathered())
            } else {
                self.perform(self.transaction.recipient(self.pipelined.removeFirst()))
            }
        case .connect:
            self.legs.append(Leg())
            self.waiting = .ready
        case .begin(_, let recipients): self.waiting = .recipients(recipients, isBeginning: true)
        case .addRecipients(let recipients): self.waiting = .recipients(recipients, isBeginning: false)
        case .prepareMessage: self.waiting = .data
        case .resendMessage(let isWhole):
            #expect(self.hasWindow)
            self.leg.pieces = self.kept
            if isWhole { self.sendDot() }
        case .endMessage: self.sendDot()
        case .abandonTransaction: self.leg.isOpen = false
        case .closeLeg: self.waiting = .nothing
        case .answer(let answer): self.answer(answer)
        case .answerAndResume(let answer):
            self.answer(answer)
            self.perform(self.transaction.resume())
        case .closeLegAndAnswer(let answer):
            self.waiting = .nothing
            self.answer(answer)
        case .closeLegAndAnswerAndResume(let answer):
            self.waiting = .nothing
            self.answer(answer)
            self.perform(self.transaction.resume())
        }
    }

    private mutating func sendDot() {
        self.leg.dots += 1
        self.waiting = .answer
    }

    private mutating func answer(_ answer: RelayTransaction.Answer) {
        switch answer {
        case .recipient(let reply, _): self.recipientReplies.append(reply)
        case .recipients(let reply, let count):
            self.recipientReplies += Array(repeating: reply, count: count)
        case .data(let reply): self.dataReply = reply
        case .message(let reply): self.messageReplies.append(reply)
        case .nobody: break
        }
    }

    /// The trouble that comes now; nil where there is none.
    private mutating func nextTrouble() -> Trouble? {
        self.step += 1
        return self.troubles[self.step]
    }

    private mutating func fail(_ failure: RelayTransaction.Failure) {
        self.waiting = .nothing
        let hasLeg = self.alternatives > 0
        self.alternatives -= 1
        self.perform(
            self.transaction.failed(failure, alternative: .init(hasLeg: hasLeg, hasMessage: self.hasWindow)))
    }

    /// The legs answer until nothing is owed any more.
    mutating func settle() {
        while true {
            let waiting = self.waiting
            if case .nothing = waiting { return }
            let trouble = self.nextTrouble()
            if let failure = trouble?.failure {
                self.fail(failure)
                continue
            }
            self.waiting = .nothing
            switch waiting {
            case .nothing: return
            case .ready: self.perform(self.transaction.connected())
            case .recipients(let recipients, let isBeginning):
                if isBeginning {
                    self.leg.accepted = []
                    self.leg.isOpen = trouble != .mailRefused
                }
                for (index, recipient) in recipients.enumerated() {
                    let isLast = index == recipients.count - 1
                    let isRefused = !self.leg.isOpen || (trouble == .recipientRefused && index == 0)
                    if !isRefused { self.leg.accepted.append(recipient) }
                    let legs = self.legs.count
                    self.perform(
                        self.transaction.answered(
                            .recipient, isRefused ? no : ok, isOpen: isLast && self.leg.isOpen))
                    // Another leg is being made: nobody reads what this one says.
                    if self.legs.count != legs || !self.transaction.isWaiting && !isLast { break }
                }
            case .data:
                let isRefused = trouble == .dataRefused
                self.perform(self.transaction.answered(.data, isRefused ? no : go, isOpen: isRefused))
            case .answer: self.perform(self.transaction.answered(.message, ok, isOpen: false))
            }
        }
    }

    /// A moment in which the client does nothing: a leg may fail then, too.
    mutating func pause() {
        guard let failure = self.nextTrouble()?.failure, failure != .timeout, !self.legs.isEmpty else { return }
        self.fail(failure)
        self.settle()
    }

    /// The client sends a message to so many recipients, in batches, in so many pieces.
    mutating func run(batches: [[RecipientCommand]], pieces: Int) {
        self.transaction.began(mail)
        for batch in batches {
            self.pipelined = Array(batch.dropFirst())
            self.perform(self.transaction.recipient(batch[0]))
            self.settle()
            while !self.pipelined.isEmpty {
                self.perform(self.transaction.recipient(self.pipelined.removeFirst()))
                self.settle()
            }
            self.pause()
        }
        guard self.recipientReplies.contains(where: \.isPositiveCompletion) else {
            return self.perform(self.transaction.reset())
        }
        self.perform(self.transaction.dataRequested())
        self.settle()
        guard self.dataReply?.isPositiveIntermediate == true else { return self.perform(self.transaction.reset()) }
        for piece in 0..<pieces {
            self.kept.append(piece)
            if self.transaction.isSending, !self.transaction.isReplaying { self.leg.pieces.append(piece) }
            self.pause()
        }
        self.perform(self.transaction.messageEnded())
        self.settle()
    }

    /// What holds whatever happened.
    func check(_ batches: [[RecipientCommand]], pieces: Int, _ comment: String) {
        let all = batches.flatMap { $0 }
        #expect(self.recipientReplies.count == all.count, "\(comment): each recipient has one answer")
        let told = zip(all, self.recipientReplies).filter { $0.1.isPositiveCompletion }.map(\.0)
        let dots = self.legs.reduce(0) { $0 + $1.dots }
        #expect(dots <= 1, "\(comment): a message ends once")
        let carriers = self.legs.filter { $0.pieces.count > 0 }
        #expect(carriers.count <= 2, "\(comment): a message goes to two backends at most")
        for leg in self.legs where leg.dots > 0 {
            #expect(leg.accepted == told, "\(comment): whom the client takes for accepted, and nobody else, gets it")
            #expect(leg.pieces == Array(0..<pieces), "\(comment): and gets all of it, in order")
        }
        let delivered = self.messageReplies.contains(where: \.isPositiveCompletion)
        #expect(!delivered || dots == 1, "\(comment): nothing is delivered without its end")
        #expect(self.messageReplies.count <= 1, "\(comment)")
        if self.dataReply?.isPositiveIntermediate == true {
            #expect(self.messageReplies.count == 1, "\(comment): the message has an answer")
        }
        let isAmbiguous = self.messageReplies.contains(.ambiguous)
        #expect(dots == (delivered || isAmbiguous ? 1 : 0), "\(comment): an end is delivered or ambiguous")
    }
}

@Suite struct RelayTransactionFailoverTests {
    static let batches: [[[RecipientCommand]]] = [["a"], ["a", "b", "c"]].flatMap { names -> [[[RecipientCommand]]] in
        let recipients = names.map {
            RecipientCommand(.mailbox(Mailbox(localPart: $0, domain: "d.example")))
        }
        return [[recipients], recipients.map { [$0] }]
    }

    private static func run(
        _ batches: [[RecipientCommand]], _ troubles: [Int: Model.Trouble], hasWindow: Bool, alternatives: Int
    ) -> Model {
        var model = Model()
        model.hasWindow = hasWindow
        model.alternatives = alternatives
        model.troubles = troubles
        model.run(batches: batches, pieces: 3)
        model.check(batches, pieces: 3, "\(batches.map(\.count)) \(troubles) \(hasWindow) \(alternatives)")
        return model
    }

    /// How often something may happen to a leg in a run without trouble.
    private static func steps(_ batches: [[RecipientCommand]]) -> Int {
        self.run(batches, [:], hasWindow: true, alternatives: 0).step
    }

    @Test("One backend that goes at any step before the dot: the client notices nothing", arguments: batches)
    func once(batches: [[RecipientCommand]]) {
        let steps = Self.steps(batches)
        for trouble in [Model.Trouble.closed, .closing] {
            // The last step is the answer to the dot.
            for step in 1..<steps {
                let model = Self.run(batches, [step: trouble], hasWindow: true, alternatives: 1)
                let isEach = model.recipientReplies.allSatisfy { $0.isPositiveCompletion }
                #expect(isEach, "\(step): \(model.recipientReplies)")
                #expect(model.messageReplies == [ok], "\(step): \(model.messageReplies)")
            }
            let behind = Self.run(batches, [steps: trouble], hasWindow: true, alternatives: 1)
            #expect(behind.messageReplies == [.ambiguous])
        }
    }

    @Test("Any two troubles at any two steps: never two ends, never a recipient lost", arguments: batches)
    func twice(batches: [[RecipientCommand]]) {
        let steps = Self.steps(batches) + 5
        for first in 1...steps {
            for second in (first + 1)...(steps + 6) {
                for one in Model.Trouble.allCases {
                    for other in Model.Trouble.allCases {
                        for (hasWindow, alternatives) in [(true, 3), (false, 3), (true, 1), (true, 0)] {
                            _ = Self.run(
                                batches, [first: one, second: other], hasWindow: hasWindow, alternatives: alternatives)
                        }
                    }
                }
            }
        }
    }

    @Test("Without a window a backend that goes in the message costs the message, not the session")
    func noWindow() {
        let batches = Self.batches[0]
        var sawDiscarded = false
        for step in 1..<Self.steps(batches) {
            let model = Self.run(batches, [step: .closed], hasWindow: false, alternatives: 1)
            if model.messageReplies == [.backendLost] { sawDiscarded = true }
        }
        #expect(sawDiscarded)
    }

    @Test("Another backend that refuses whom the first had accepted: 451 to DATA")
    func verdictChanged() {
        var model = Model()
        let batch = Self.batches[2][0]
        model.transaction.began(mail)
        model.pipelined = Array(batch.dropFirst())
        model.perform(model.transaction.recipient(batch[0]))
        model.settle()
        #expect(model.recipientReplies == [ok, ok, ok])
        // It goes while nothing is asked; the next one greets, and refuses the first recipient.
        model.troubles = [model.step + 1: .closed, model.step + 3: .recipientRefused]
        model.pause()
        model.perform(model.transaction.dataRequested())
        model.settle()
        #expect(model.dataReply == .verdictChanged)
        #expect(model.legs.count == 2)
        #expect(model.transaction.dataRequested() == .answer(.data(.verdictChanged)))
    }

    @Test("More recipients than a batch may have are asked about again in several")
    func manyAgain() {
        let recipients = (0..<250).map { RecipientCommand(.mailbox(Mailbox(localPart: "r\($0)", domain: "d.example"))) }
        let steps = Self.steps([recipients])
        for step in 1..<steps {
            let model = Self.run([recipients], [step: .closed], hasWindow: true, alternatives: 1)
            #expect(model.messageReplies == [ok])
        }
    }

    @Test("A leg that was lost between two commands is made again only when the client goes on")
    func lazily() {
        var transaction = RelayTransaction()
        let recipient = Self.batches[0][0][0]
        transaction.began(mail)
        _ = transaction.recipient(recipient)
        _ = transaction.decided(.forward(app))
        _ = transaction.gathered()
        _ = transaction.connected()
        _ = transaction.answered(.recipient, ok, isOpen: true)
        let alternative = RelayTransaction.Alternative(hasLeg: true, hasMessage: false)
        #expect(transaction.failed(.session(.closed), alternative: alternative) == .closeLeg)
        #expect(!transaction.isWaiting)
        var other = transaction
        #expect(other.reset() == .none)
        #expect(transaction.dataRequested() == .connect(app))
        #expect(transaction.connected() == .begin(mail, [recipient]))
        #expect(transaction.answered(.recipient, ok, isOpen: true) == .prepareMessage)
        #expect(transaction.answered(.data, go, isOpen: false) == .answer(.data(.startMailInput)))
    }

    @Test("The client leaves while a leg is being made again: nothing of it goes on")
    func clientLeaves() {
        for whole in [false, true] {
            var model = Model()
            let batch = Self.batches[0][0]
            model.transaction.began(mail)
            model.perform(model.transaction.recipient(batch[0]))
            model.settle()
            model.perform(model.transaction.dataRequested())
            model.settle()
            let alternative = RelayTransaction.Alternative(hasLeg: true, hasMessage: true)
            #expect(model.transaction.failed(.session(.closed), alternative: alternative) == .connect(app))
            #expect(model.transaction.isReplaying && model.transaction.isSending)
            if whole { #expect(model.transaction.messageEnded() == .none) }
            #expect(model.transaction.clientLost() == .closeLeg)
            #expect(model.transaction.connected() == .closeLeg)
        }
    }

    @Test("Recipients of a batch that do not go where it goes are decided behind it")
    func held() {
        let other = Destination.group(BackendGroup(name: "other", backends: [Backend(.ip(.v4(0x7F00_0001), port: 9))]))
        let (a, b) = (Self.batches[2][0][0], Self.batches[2][0][1])
        for isAccepted in [true, false] {
            var transaction = RelayTransaction()
            transaction.began(mail)
            _ = transaction.recipient(a)
            #expect(transaction.decided(.forward(app)) == .gather)
            #expect(transaction.recipient(b) == .decide(b))
            #expect(transaction.isGathering)
            #expect(transaction.decided(.forward(other)) == .connect(app))
            #expect(transaction.connected() == .begin(mail, [a]))
            let reply = isAccepted ? ok : no
            #expect(
                transaction.answered(.recipient, reply, isOpen: true)
                    == .answerAndResume(.recipient(reply, closing: false)))
            // The first one accepted fixes where the others go: where it was refused, the second may be that one.
            #expect(
                transaction.resume() == (isAccepted ? .answer(.recipient(.oneDestination, closing: false)) : .gather))
        }
    }

    @Test("A denial that would close the session waits for those in front of it")
    func heldDenial() {
        for isAccepted in [true, false] {
            var transaction = RelayTransaction()
            let (a, b) = (Self.batches[2][0][0], Self.batches[2][0][1])
            transaction.began(mail)
            _ = transaction.recipient(a)
            _ = transaction.decided(.forward(app))
            _ = transaction.recipient(b)
            #expect(transaction.postponed() == .connect(app))
            _ = transaction.connected()
            let reply = isAccepted ? ok : no
            _ = transaction.answered(.recipient, reply, isOpen: true)
            #expect(transaction.resume() == .decide(b))
            #expect(
                transaction.decided(.refuse(no, closing: true))
                    == .answer(.recipient(no, closing: !isAccepted)))
        }
    }

    @Test("The client's time is over while the second of a batch is decided about: both are answered")
    func timeout() {
        var transaction = RelayTransaction()
        let (a, b) = (Self.batches[2][0][0], Self.batches[2][0][1])
        transaction.began(mail)
        _ = transaction.recipient(a)
        _ = transaction.decided(.forward(app))
        _ = transaction.recipient(b)
        #expect(
            transaction.failed(.timeout, alternative: .none) == .closeLegAndAnswer(.recipients(.backendLost, count: 2)))
        #expect(transaction.decided(.forward(app)) == .none)
        #expect(transaction.recipient(a) == .decide(a))
    }
}
