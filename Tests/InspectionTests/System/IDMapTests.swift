import Inspection
import Testing

@Suite struct IDMapTests {
    @Test("The initial namespace maps every number to itself")
    func initial() throws {
        let map = try #require(IDMap(reading: Array("         0          0 4294967295\n".utf8)))
        #expect(map.isIdentity)
        #expect(map.outside(62525) == 62525)
    }

    @Test("A namespace of its own says who a number is outside")
    func own() throws {
        let map = try #require(IDMap(reading: Array("0 1000 1\n1 100000 65536\n".utf8)))
        #expect(!map.isIdentity)
        #expect(map.extents.count == 2)
        for (inside, outside) in [(0, 1000), (1, 100_000), (65536, 165_535), (65537, nil)] as [(UInt32, UInt32?)] {
            #expect(map.outside(inside) == outside)
        }
    }

    @Test("An empty map maps nobody, and what is none is refused")
    func malformed() {
        #expect(IDMap(reading: [])?.isIdentity == false)
        #expect(IDMap(reading: [])?.outside(0) == nil)
        for text in ["0 0", "0 0 1 2", "a 0 1", "-1 0 1", "0 0 4294967296"] {
            #expect(IDMap(reading: Array(text.utf8)) == nil, "\(text)")
        }
    }
}
