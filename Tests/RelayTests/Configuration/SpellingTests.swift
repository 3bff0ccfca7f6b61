import Testing

@testable import Relay

@Suite("Spelling of configuration words") struct ConfigurationSpellingTests {
    static let words = ["listeners", "groups", "routes", "round-robin", "least-connections", "first", "tls", "data"]

    @Test(
        "The nearest word is found if it is near enough",
        arguments: [
            ("listners", "listeners"), ("Listeners", "listeners"), ("route", "routes"), ("ruotes", "routes"),
            ("round_robin", "round-robin"), ("robin", "round-robin"), ("leastconn", "least-connections"),
            ("groups-of-backends", "groups"), ("tsl", "tls"), ("zebra", nil), ("x", nil), ("", nil),
        ])
    func nearest(_ written: String, _ expected: String?) {
        #expect(Spelling.nearest(written, among: Self.words) == expected)
    }
}
