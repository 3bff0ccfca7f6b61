import Inspection
import Testing

@Suite struct NameStatisticsTests {
    private static let text = """
        PB1 200 OK s
        item=smtp tcp [::]:25 leases=2 queue=0
        gets=12
        denied=1
        stores=1
        heals=0
        holders=2
        holder.0=uid=33 pid=4711 mode=shared ms=81234
        holder.1=uid=1001 pid=7 mode=exclusive ms=40

        """

    private func read(_ text: String) throws -> NameStatistics? {
        NameStatistics("smtp", generation: "g", try #require(BrokerReply(reading: Array(text.utf8), tag: "s")))
    }

    @Test("A reply to STAT is read, and written for people")
    func statistics() throws {
        let statistics = try #require(try self.read(Self.text))
        #expect(statistics.holders.map(\.pid) == [4711, 7])
        #expect(statistics.holderCount == 2 && statistics.denied == 1)
        #expect(
            statistics.text(userName: { $0 == 33 ? "www-data" : nil }) == """
                NAME  SOCKET       LEASES  QUEUE  STATE
                smtp  tcp [::]:25       2      0  ok

                gets 12, denied 1, stores 1, heals 0, holders 2

                 PID  USER      MODE         FOR
                4711  www-data  shared      81 s
                   7  1001      exclusive  40 ms

                """)
    }

    @Test("More holders than are listed are counted")
    func many() throws {
        let listed = (0..<64).map { "holder.\($0)=uid=1 pid=\($0) mode=shared ms=0\n" }.joined()
        let text = "PB1 200 OK s\ngets=1\ndenied=0\nstores=0\nheals=0\nholders=70\n" + listed
        let statistics = try #require(try self.read(text))
        #expect(statistics.holders.count == 64)
        #expect(statistics.text(userName: { _ in nil }).hasSuffix("… and 6 more\n"))
    }

    @Test(
        "A count or a holder that is missing makes it none",
        arguments: [
            "gets=12\n", "heals=0\n", "holders=2\n", "holder.1=uid=1001 pid=7 mode=exclusive ms=40\n", " ms=81234",
        ])
    func incomplete(line: String) throws {
        #expect(try self.read(Self.text.replacing(line, with: "")) == nil)
    }

    @Test(
        "Durations have two units at most",
        arguments: [
            (0, "0 ms"), (999, "999 ms"), (1000, "1 s"), (119_999, "119 s"), (120_000, "2 min"), (7_199_999, "119 min"),
            (7_500_000, "2 h 5 min"), (172_800_000, "2 d 0 h"), (273_600_000, "3 d 4 h"),
        ])
    func durations(milliseconds: Int, text: String) {
        #expect(NameStatistics.duration(milliseconds: milliseconds) == text)
    }
}
