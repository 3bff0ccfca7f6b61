/// A moment as header fields have it (RFC 5322 section 3.3), always in UTC: `Mon, 23 Nov 2026 02:19:02 +0000`.
///
/// Every moment from 1970 to 9999 takes the same 31 octets.
struct DateTime: CustomStringConvertible {
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    private static let secondsPerDay: Int64 = 86_400
    /// 31 December 9999, 23:59:59.
    private static let latest: Int64 = 253_402_300_799

    /// Seconds since 1 January 1970, leap seconds not counted.
    let unixTime: Int64

    /// A moment before 1970 counts as its first, one after 9999 as its last.
    init(unixTime: Int64) {
        self.unixTime = min(max(unixTime, 0), Self.latest)
    }

    var description: String {
        var octets: [UInt8] = []
        self.append(to: &octets)
        return String(decoding: octets, as: UTF8.self)
    }

    /// Appends the octets of ``description``.
    func append(to octets: inout [UInt8]) {
        let days = Int(self.unixTime / Self.secondsPerDay)
        let seconds = Int(self.unixTime % Self.secondsPerDay)
        let (year, month, day) = Self.date(days)
        octets.append(contentsOf: Self.weekdays[days % 7].utf8)
        octets.append(contentsOf: ", ".utf8)
        Self.appendTwoDigits(day, to: &octets)
        octets.append(UInt8(ascii: " "))
        octets.append(contentsOf: Self.months[month - 1].utf8)
        octets.append(UInt8(ascii: " "))
        Self.appendTwoDigits(year / 100, to: &octets)
        Self.appendTwoDigits(year % 100, to: &octets)
        octets.append(UInt8(ascii: " "))
        Self.appendTwoDigits(seconds / 3600, to: &octets)
        octets.append(UInt8(ascii: ":"))
        Self.appendTwoDigits(seconds / 60 % 60, to: &octets)
        octets.append(UInt8(ascii: ":"))
        Self.appendTwoDigits(seconds % 60, to: &octets)
        octets.append(contentsOf: " +0000".utf8)
    }

    /// The Gregorian date of a day since 1 January 1970: in years that begin in March, so that the leap day is the last,
    /// and in eras of 400 years, which all have as many days.
    private static func date(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    private static func appendTwoDigits(_ number: Int, to octets: inout [UInt8]) {
        octets.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / 10))
        octets.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number % 10))
    }
}
