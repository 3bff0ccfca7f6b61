import ArgumentParser
import Inspection

/// `postern sockets store`.
struct SocketsStore: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "Give the broker sockets that this process was started with.",
        discussion: """
            It binds nothing: postern-binder NAME --store does. The sockets are those of LISTEN_FDS that are called NAME \
            (all of them where LISTEN_FDNAMES names none), or with --fd those descriptors.
            """)

    @Argument var name: ListenerName

    @Option(
        name: .customLong("fd"), help: ArgumentHelp("A descriptor that is inherited; may be repeated.", valueName: "n"))
    var descriptors: [Int32] = []

    @Flag(help: "Replace what the broker has under that name; needs drop= too.")
    var replace = false

    @OptionGroup var broker: BrokerOptions

    func validate() throws {
        guard self.descriptors.allSatisfy({ $0 >= 0 }), Set(self.descriptors).count == self.descriptors.count else {
            throw ValidationError("--fd takes the number of an open descriptor, each once")
        }
    }

    func run() throws {
        let offers: [SocketOffer]
        do throws(SocketOffer.Refusal) {
            let descriptors =
                self.descriptors.isEmpty ? try SocketOffer.inherited(as: self.name.text) : self.descriptors
            offers = try SocketOffer.sort(descriptors, for: self.name.text, policy: Doctor.policyText())
        } catch {
            throw Failure.saying("postern sockets: store \"\(self.name.text)\": \(error.text)", Failure.usage)
        }
        let answers = try self.broker.ask { client throws(BrokerFailure) in
            try SocketOffer.store(offers, as: self.name.text, isReplacing: self.replace, with: client)
        }
        Output.line("stored \(self.name.text): \(answers.stored) \(answers.stored == 1 ? "socket" : "sockets")")
        if !answers.isConfirmed {
            Output.errorLine(
                "postern sockets: the service manager has not confirmed that it keeps \(self.name.text): it may not "
                    + "outlive the broker; see journalctl -u postern-broker")
        }
    }
}
