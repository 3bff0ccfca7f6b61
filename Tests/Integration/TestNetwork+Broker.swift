import Foundation

extension TestNetwork {
    /// A broker in here, as the user that runs it, once it takes connections.
    func broker(as user: String = "postern-broker") throws -> RunningProgram {
        let bin = (RelayWorld.postern as NSString).deletingLastPathComponent
        let broker = try self.start([bin + "/postern-broker"], as: user)
        _ = try broker.line { $0.contains("event=start ") }
        return broker
    }
}

extension TestNetwork {
    /// A broker that says HELLO well and then sends these packets, one a request, to one client; an empty one closes the
    /// connection. It prints each request, `|` for a line end, and ends when its client does.
    func scriptedBroker(
        _ replies: [String], as user: String? = nil
    ) throws -> (path: String, program: RunningProgram) {
        let code = """
            import os, socket, sys
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            listener.bind(sys.argv[1])
            os.chmod(sys.argv[1], 0o666)
            listener.listen()
            print("listening", flush=True)
            hello = "PB1 200 OK hello\\nversion=1\\ngeneration=0123456789abcdef\\nfeatures=\\n"
            connection, address = listener.accept()
            for reply in [hello] + sys.argv[2:]:
                request = connection.recv(4096).decode()
                print(request.replace("\\n", "|"), flush=True)
                if not request or not reply: break
                connection.send(reply.encode())
            """
        let path = "/run/postern/scripted.sock"
        let program = try self.start(["python3", "-I", "-c", code, path] + replies, as: user)
        _ = try program.line { $0 == "listening" }
        return (path, program)
    }
}
