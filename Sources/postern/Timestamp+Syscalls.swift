import Glibc

/// A point in time, to the millisecond, in UTC.
struct Timestamp: Equatable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    var milliseconds: Int64

    /// Now, by the system's clock.
    static var now: Timestamp {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}

extension Timestamp: CustomStringConvertible {
    /// `2026-11-22T20:58:25.123Z` (RFC 3339), without a look at the time zone.
    var description: String {
        var octets: [UInt8] = []
        self.append(to: &octets)
        return String(decoding: octets, as: UTF8.self)
    }

    /// Appends the octets of ``description``.
    func append(to octets: inout [UInt8]) {
        let (days, rest) = (self.milliseconds / 86_400_000, self.milliseconds % 86_400_000)
        let (year, month, day) = Self.date(daysSince1970: days)
        func append(_ twoDigits: Int64) {
            octets.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: twoDigits / 10))
            octets.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: twoDigits % 10))
        }
        append(year / 100)
        append(year % 100)
        octets.append(UInt8(ascii: "-"))
        append(month)
        octets.append(UInt8(ascii: "-"))
        append(day)
        octets.append(UInt8(ascii: "T"))
        append(rest / 3_600_000)
        octets.append(UInt8(ascii: ":"))
        append(rest / 60_000 % 60)
        octets.append(UInt8(ascii: ":"))
        append(rest / 1000 % 60)
        octets.append(UInt8(ascii: "."))
        octets.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 1000 / 100))
        append(rest % 100)
        octets.append(UInt8(ascii: "Z"))
    }

    /// The proleptic Gregorian date: years are counted from March, so that a leap day is the last of its year.
    private static func date(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468  // days since 0000-03-01
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
