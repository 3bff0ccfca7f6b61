import Relay
import Testing

@Suite struct ListenerBootstrapsTests {
    static let cases: [(sockets: Int, loops: Int, expected: [Int?])] = [
        (1, 1, [nil]), (1, 4, [nil]), (2, 1, [0, 0]), (2, 2, [0, 1]), (3, 2, [0, 1, 0]), (4, 2, [0, 1, 0, 1]),
        // A loop without a socket would have no clients: so all accept for all.
        (2, 3, [nil, nil]), (0, 2, []),
    ]

    @Test("The sockets of a port have a loop each, where there are enough of them for every loop", arguments: cases)
    func loops(sockets: Int, loops: Int, expected: [Int?]) {
        #expect(ListenerBootstraps.loops(ofSockets: sockets, among: loops) == expected)
    }
}
