import ArgumentParser

/// `postern sockets`: what postern-broker has, and who holds it.
struct SocketsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sockets",
        abstract: "List, store and drop the sockets of postern-broker.",
        discussion: """
            /etc/postern/sockets.conf says who may: list= for list and stat, store=, drop=.

            Exit status: 0; 64 usage; 69 no broker, or it does not have the socket, or somebody else does; 71 the system \
            refused something; 77 not permitted.
            """,
        subcommands: [SocketsList.self, SocketsStat.self, SocketsStore.self, SocketsDrop.self])
}
