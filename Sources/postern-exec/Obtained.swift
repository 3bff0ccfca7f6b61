/// The listeners so far, each with the place of its NAME on the command line. Owns them, and the lease.
struct Obtained: ~Copyable {
    let options: Options
    let arguments: Arguments
    /// The broker's connection, if something came from it: while it is open, whoever has it, the lease lasts.
    var lease: Descriptor?
    /// How many sockets the name at each place has.
    private(set) var counts = InlineArray<32, UInt8>(repeating: 0)
    /// The places that have no listener yet, a bit each.
    private(set) var missing: UInt32
    private var descriptors = DescriptorList()
    private var places = InlineArray<64, UInt8>(repeating: 0)

    /// Whether the name at that place has no listener yet.
    func isMissing(_ place: Int) -> Bool { self.missing & 1 << UInt32(place) != 0 }

    /// How many listeners there are.
    var count: Int { self.descriptors.count }

    /// Starts without any.
    init(none options: Options, _ arguments: Arguments) {
        self.options = options
        self.arguments = arguments
        self.missing = UInt32.max >> UInt32(32 - options.nameCount)
    }

    /// Takes ownership of one more; fails if there are 64.
    mutating func append(_ descriptor: consuming Descriptor, place: Int) throws(Failure) {
        let index = self.descriptors.count
        guard self.descriptors.append(descriptor) else { throw Failure(.usage, "more than 64 sockets at once") }
        self.places[index] = UInt8(place)
        self.counts[place] += 1
        self.missing &= ~(1 << UInt32(place))
    }

    /// The place of each line of a grant; fails unless they are of the names still missing, and of each of them. A
    /// refusal has none.
    func places(of grant: GrantReader, in text: Span<UInt8>) throws(GrantError) -> InlineArray<64, UInt8> {
        var places = InlineArray<64, UInt8>(repeating: 0)
        var rest = grant.code == 200 ? self.missing : 0
        for index in 0..<grant.count {
            let name = grant.name(index)
            guard let place = self.options.place(of: name, in: text, self.arguments), self.isMissing(place) else {
                throw GrantError("a descriptor of a name that was not asked for", name)
            }
            places[index] = UInt8(place)
            rest &= ~(1 << UInt32(place))
        }
        guard rest == 0 else { throw GrantError("a name is without a descriptor") }
        return places
    }

    /// Takes ownership of a packet's descriptors, whose places are known.
    mutating func append(
        _ packet: consuming ReceivedPacket, at places: InlineArray<64, UInt8>
    ) throws(Failure) {
        let (count, numbers) = (packet.descriptors.count, packet.descriptors.rawValues)
        while let descriptor = packet.descriptors.popLast() { _ = descriptor.release() }
        for index in 0..<count { try self.append(Descriptor(owning: numbers[index]), place: Int(places[index])) }
    }

    /// Gives the listeners up in the order of the NAMEs, and of their coming within a name; the lease stays.
    mutating func takeInOrder() -> DescriptorList {
        let (count, numbers) = (self.count, self.descriptors.rawValues)
        while let descriptor = self.descriptors.popLast() { _ = descriptor.release() }
        var ordered = DescriptorList()
        for place in 0..<32 {
            for index in 0..<count where Int(self.places[index]) == place {
                _ = ordered.append(Descriptor(owning: numbers[index]))
            }
        }
        return ordered
    }

    /// The number under which COMMAND finds the `socket`th socket, from 0, of the name at `place`; nil if it has not as
    /// many.
    func number(_ place: Int, _ socket: Int) -> Int? {
        guard socket < Int(self.counts[place]) else { return nil }
        var number = 3 + socket
        for earlier in 0..<place { number += Int(self.counts[earlier]) }
        return number
    }
}
