import CIDN2

extension DomainName {
    /// The A-label form of a name that has octets over 127, in lower case (RFC 5891 section 4, UTS 46 without
    /// transitional mappings); nil where there is none.
    ///
    /// Upper case, full width and decomposed letters are mapped first, as the software that addresses come from does:
    /// `BÜCHER.example`, with whatever spelling of the Ü, is `xn--bcher-kva.example`. The caller checks the result against
    /// the grammar of domain names, since the mapping yields other ASCII characters, too.
    static func asciiForm(_ name: String) -> String? {
        // A NUL would end the name for libidn2, and the rest of it would be nobody's. The bound keeps its work small: an
        // octet of an A-label stands for one character, which has 4 octets at most.
        guard !name.utf8.contains(0), name.utf8.count <= 1024 else { return nil }
        var output: UnsafeMutablePointer<CChar>?
        let flags = Int32(IDN2_NFC_INPUT.rawValue | IDN2_NONTRANSITIONAL.rawValue)
        let status = unsafe idn2_to_ascii_8z(name, &output, flags)
        // On failure there is nothing to free.
        guard status == IDN2_OK.rawValue, let octets = unsafe output else { return nil }
        defer { unsafe idn2_free(octets) }
        return unsafe String(cString: octets)
    }
}
